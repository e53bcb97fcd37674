/** A number of events, or a revision, as a caller gives it: also as text. What is none, or below 0, is `otherwise`. */
export function countOf<T>(given: unknown, otherwise: T): number | T {
  const count = Math.ceil(Number(given ?? NaN));
  return count >= 0 ? Math.min(count, Number.MAX_SAFE_INTEGER) : otherwise;
}
