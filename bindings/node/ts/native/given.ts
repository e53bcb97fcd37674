/**
 * What an option must be: a text, a whole number (also as text, as in `process.env`), a port, text that may be a number,
 * yes or no, PEM (text or a Buffer of it), an object of such options or a list of such objects; or anything, where it has no
 * meaning or somebody else looks at it.
 */
export type Kind = keyof typeof named | Kinds | readonly [Kinds];

interface Kinds {
  readonly [name: string]: Kind;
}

const named = {
  string: 'a string',
  number: 'a whole number from 0 to 4,294,967,295',
  port: 'a whole number from 0 to 65,535',
  text: 'a string or a whole number from 0 on',
  boolean: 'true or false',
  pem: 'PEM, as a string or a Buffer',
  ignored: 'anything',
};

function valueOf(value: unknown, kind: keyof typeof named): unknown {
  if (kind === 'pem') return value instanceof Uint8Array ? Buffer.from(value).toString() : valueOf(value, 'string');
  if (kind === 'text') return typeof value === 'string' ? value : valueOf(value, 'number')?.toString();
  if (kind !== 'number' && kind !== 'port') return typeof value === kind ? value : undefined;
  const number = typeof value === 'string' && /^\d+$/.test(value) ? Number(value) : value;
  const most = 2 ** (kind === 'port' ? 16 : 32) - 1;
  return Number.isInteger(number) && (number as number) >= 0 && (number as number) <= most ? number : undefined;
}

function isList(kind: Kinds | readonly [Kinds]): kind is readonly [Kinds] {
  return Array.isArray(kind);
}

const warned = new Set<string>();

/**
 * Warns of options that have no effect, because nobody knows their names: one may be misspelt. Once for the same ones: many
 * stores may be made with them. Their values are not told.
 */
export function warnOfUnknown(type: string, options: Record<string, unknown>, known: string[]): void {
  const unknown = Object.keys(options).filter((name) => !known.includes(name) && (options[name] ?? null) !== null);
  if (unknown.length === 0) return;
  const [them, have] = unknown.length === 1 ? ['option', 'has'] : ['options', 'have'];
  const message =
    `the ${them} ${unknown.join(', ')} of type '${type}' ${have} no effect, as there is none of that name: ` +
    `there are ${known.join(', ')}`;
  if (warned.has(message)) return;
  warned.add(message);
  process.emitWarning(message, 'AnnalsWarning');
}

/** The options within each of a list. @throws TypeError where it is none, or they are none. */
function listed(type: string, name: string, values: unknown, known: Kinds): Record<string, unknown>[] {
  if (!Array.isArray(values))
    throw new TypeError(
      `the option ${name} of type '${type}' must be a list of objects of ${Object.keys(known).join(', ')}`,
    );
  return values.map((value, index) => within(type, `${name}[${String(index)}]`, value, known));
}

/** The options within an option. @throws TypeError where it is no object, or has others than those that are known. */
function within(type: string, name: string, value: unknown, known: Kinds): Record<string, unknown> {
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
    if (asked === undefined || asked === null || kind === 'ignored') continue;
    if (typeof kind === 'object') {
      given[name] = isList(kind) ? listed(type, path + name, asked, kind[0]) : within(type, path + name, asked, kind);
      continue;
    }
    const value = valueOf(asked, kind);
    if (value === undefined) throw new TypeError(`the option ${path}${name} of type '${type}' must be ${named[kind]}`);
    given[name] = value;
  }
  return given;
}
