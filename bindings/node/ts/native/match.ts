/** Queries by any field of an event, as the in-memory store alone answers them. */

function find(value: unknown, path: string[]): unknown {
  let found = value;
  for (const [index, part] of path.entries()) {
    found = (found as Record<string, unknown> | null | undefined)?.[part];
    if (Array.isArray(found)) {
      const rest = path.slice(index + 1);
      return rest.length === 0 ? found : found.filter((item) => Boolean(find(item, rest)));
    }
    if (found === undefined || found === null) return found;
  }
  return found;
}

/** Whether every dotted path of a query leads to its value, or to an array that isn't empty. */
export function matches(event: object, query: Record<string, unknown>): boolean {
  return Object.entries(query).every(([path, value]) => {
    const found = find(event, path.split('.'));
    return Array.isArray(found) ? found.length > 0 : found === value;
  });
}
