/** What an option must be: a text, a whole number from 0 on (also as text, as in `process.env`), or yes or no. */
export type Kind = 'string' | 'number' | 'boolean';

const named: Record<Kind, string> = {
  string: 'a string',
  number: 'a whole number from 0 on',
  boolean: 'true or false',
};

function valueOf(value: unknown, kind: Kind): unknown {
  if (kind !== 'number') return typeof value === kind ? value : undefined;
  const number = typeof value === 'string' && /^\d+$/.test(value) ? Number(value) : value;
  return Number.isSafeInteger(number) && (number as number) >= 0 ? number : undefined;
}

/**
 * The options of the known names; those that are undefined or null are left out.
 *
 * @throws TypeError where one is not of its kind. The value is not told: it may be a secret.
 */
export function givenOptions(
  type: string,
  options: Record<string, unknown>,
  known: Record<string, Kind>,
): Record<string, unknown> {
  const given: Record<string, unknown> = {};
  for (const [name, kind] of Object.entries(known)) {
    const asked = options[name];
    if (asked === undefined || asked === null) continue;
    const value = valueOf(asked, kind);
    if (value === undefined) {
      throw new TypeError(`the option ${name} of type '${type}' must be ${named[kind]}`);
    }
    given[name] = value;
  }
  return given;
}
