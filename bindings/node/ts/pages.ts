/** On an array of events: a function that fetches the page behind it. Absent at the end. */
export const nextPage: unique symbol = Symbol('annals.nextPage');
