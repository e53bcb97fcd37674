/**
 * What an option must be: a text, a whole number from 0 on (also as text, as in `process.env`), yes or no, PEM (text or a
 * Buffer of it), or an object of such options.
 */
export type Kind = keyof typeof named | { readonly [name: string]: Kind };

const named = {
  string: 'a string',
  number: 'a whole number from 0 on',
  boolean: 'true or false',
  pem: 'PEM, as a string or a Buffer',
};

function valueOf(value: unknown, kind: keyof typeof named): unknown {
  if (kind === 'pem') return value instanceof Uint8Array ? Buffer.from(value).toString() : valueOf(value, 'string');
  if (kind !== 'number') return typeof value === kind ? value : undefined;
  const number = typeof value === 'string' && /^\d+$/.test(value) ? Number(value) : value;
  return Number.isSafeInteger(number) && (number as number) >= 0 ? number : undefined;
}

/** The options within an option. @throws TypeError where it is no object, or has others than those that are known. */
function within(type: string, name: string, value: unknown, known: Record<string, Kind>): Record<string, unknown> {
  const names = Object.keys(known);
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw new TypeError(`the option ${name} of type '${type}' must be an object of ${names.join(', ')}`);
  const unknown = Object.keys(value).find((key) => !names.includes(key));
  if (unknown !== undefined)
    throw new TypeError(`the option ${name} of type '${type}' has no ${unknown}: there are ${names.join(', ')}`);
  return givenOptions(type, value as Record<string, unknown>, known, `${name}.`);
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
  path = '',
): Record<string, unknown> {
  const given: Record<string, unknown> = {};
  for (const [name, kind] of Object.entries(known)) {
    const asked = options[name];
    if (asked === undefined || asked === null) continue;
    const value = typeof kind === 'object' ? within(type, path + name, asked, kind) : valueOf(asked, kind);
    if (value === undefined) {
      throw new TypeError(`the option ${path}${name} of type '${type}' must be ${named[kind as keyof typeof named]}`);
    }
    given[name] = value;
  }
  return given;
}
