import { createWriteStream } from 'node:fs';
import type { Writable } from 'node:stream';

/** From the most severe on: where one is chosen by its name alone, those before it are too. */
const LEVELS = ['error', 'warning', 'info', 'debug', 'trace'] as const;

export type LogLevel = (typeof LEVELS)[number];

/** Where lines go, as the legacy client takes it. */
export interface LogOutput {
  /** Default: `'stdio'`, errors and warnings to stderr and the rest to stdout. */
  type?: 'stdio' | 'file' | 'stream';
  /** One level and the more severe ones, or a list of levels. Default: `'warning'`. */
  level?: LogLevel | LogLevel[];
  /** The same as `level`. */
  levels?: LogLevel | LogLevel[];
  /** The file. */
  path?: string;
  /** The stream. */
  stream?: Writable;
}

/** A logger of the user’s own, as the legacy client calls it. */
export interface Logger {
  error?(message: string): unknown;
  warning?(message: string): unknown;
  info?(message: string): unknown;
  debug?(message: string): unknown;
  trace?(method: string, url: string, body?: string, answer?: string, status?: number): unknown;
}

/** What the option `log` may be; `false`, `''` and an empty list are none. */
export type LogOption =
  false | '' | LogLevel | LogLevel[] | LogOutput | LogOutput[] | (new (config: Record<string, unknown>) => Logger);

/** A request that is over. */
export interface Told {
  method: string;
  url: string;
  body?: string;
  status?: number;
  answer?: string;
  failure?: string;
  millis: number;
}

/** Who is told of requests, and whether of their bodies too. */
export interface Log {
  loggers: Logger[];
  whole: boolean;
}

function isLevel(value: unknown): value is LogLevel {
  return LEVELS.includes(value as LogLevel);
}

/** The levels that are chosen; undefined where they can’t be levels. */
function levelsOf(chosen: unknown): readonly LogLevel[] | undefined {
  if (isLevel(chosen)) return LEVELS.slice(0, LEVELS.indexOf(chosen) + 1);
  return Array.isArray(chosen) && chosen.every(isLevel) ? chosen : undefined;
}

function streamsOf({ type = 'stdio', path, stream }: LogOutput): ((level: LogLevel) => Writable) | undefined {
  if (type === 'stdio') return (level) => (level === 'error' || level === 'warning' ? process.stderr : process.stdout);
  const one = type === 'file' && typeof path === 'string' ? createWriteStream(path, { flags: 'a' }) : stream;
  return one && typeof one.write === 'function' ? () => one : undefined;
}

/** A logger that writes lines, as the legacy client’s do; undefined where its output can’t be one. */
function writerOf(label: string, output: unknown): Logger | undefined {
  if (typeof output !== 'object' || output === null) return undefined;
  const { levels, level = 'warning' } = output as LogOutput;
  const chosen = levelsOf(levels ?? level);
  const streams = chosen && streamsOf(output);
  if (!streams) return undefined;
  const write = (level: LogLevel, message: string): void => {
    const indented = message.replaceAll('\n', '\n  ');
    streams(level).write(`${label} ${level.toUpperCase()}: ${new Date().toISOString()}\n  ${indented}\n\n`);
  };
  const line = (level: LogLevel) => (message: string) => {
    write(level, message);
  };
  const trace: Required<Logger>['trace'] = (method, url, body = '', answer = '', status) => {
    write('trace', `-> ${method} ${url}\n${body}\n<- ${String(status)}\n${answer}`);
  };
  const writers = { error: line('error'), warning: line('warning'), info: line('info'), debug: line('debug'), trace };
  return Object.fromEntries(chosen.map((level) => [level, writers[level]]));
}

/**
 * What the option `log` asks for.
 *
 * @throws TypeError where it can’t be one.
 */
export function logOf(type: string, options: Record<string, unknown>): Log {
  const { log = 'warning' } = options as { log?: LogOption | null };
  if (!log) return { loggers: [], whole: false };
  const label = type === 'opensearch' ? 'OpenSearch' : 'Elasticsearch';
  let loggers: (Logger | undefined)[];
  if (typeof log === 'function') loggers = [new log(options)];
  else if (levelsOf(log)) loggers = [writerOf(label, { levels: log })];
  else loggers = [log].flat().map((output) => writerOf(label, isLevel(output) ? { level: output } : output));
  const known = loggers.filter((logger) => logger !== undefined);
  if (known.length < loggers.length) {
    const outputs = `objects of type ('stdio', 'file' with path, 'stream' with stream) and level, or a class`;
    throw new TypeError(
      `the option log of type '${type}' must be of ${LEVELS.join(', ')}, a list of these, ${outputs}`,
    );
  }
  return { loggers: known, whole: known.some((logger) => logger.trace !== undefined) };
}

/** Tells loggers of a request. */
export function tell({ loggers }: Log, { method, url, body, status, answer, failure, millis }: Told): void {
  for (const logger of loggers) {
    if (status === undefined) {
      logger.error?.(`${method} ${url} => ${failure ?? 'no answer'}`);
      continue;
    }
    const message = `${method} ${url} => ${String(status)} in ${String(millis)} ms`;
    if (status >= 500 || status === 429) logger.warning?.(message);
    else logger.debug?.(message);
    logger.trace?.(method, url, body, answer, status);
  }
}
