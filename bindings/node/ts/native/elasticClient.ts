import { Readable } from 'node:stream';
import { promisify } from 'node:util';
import { unzip } from 'node:zlib';

/** A request of the store. The path is encoded, the query isn't. */
export interface Asked {
  method: string;
  path: string;
  query: [string, string][];
  body?: string;
  contentType?: string;
}

/** A server’s answer, also where it refuses; or why there is none. */
export type Answered = { status: number; body: string } | { failure: Failure; message: string };

type Failure = 'CONNECTION' | 'TIMEOUT' | 'UNSUPPORTED';

/** Sends a request. It never rejects. */
export type Send = (asked: Asked) => Promise<Answered>;

/** What of a legacy client (`elasticsearch`) is used: its transport, with its own pool, connections and log. */
export interface LegacyClient {
  transport: {
    connectionPool: { select: (callback: never) => void };
    request: (params: never, callback: never) => unknown;
  };
}

/** What of `@elastic/elasticsearch` and `@opensearch-project/opensearch` is used: its transport. */
export interface ModernClient {
  transport: {
    connectionPool: { getConnection: (options: never) => unknown };
    request: (params: never, options?: never) => unknown;
  };
}

/** A client of the user’s own. */
export type ElasticClient = LegacyClient | ModernClient;

/**
 * How a client sends: every request of the store goes through it.
 *
 * @throws TypeError where it is none that is known.
 */
export function sendBy(type: string, client: unknown): Send {
  const { transport } = (client ?? {}) as { transport?: { connectionPool?: object; request?: unknown } };
  const pool = transport?.connectionPool ?? {};
  if (typeof transport?.request === 'function') {
    const has = (name: string): boolean => typeof (pool as Record<string, unknown>)[name] === 'function';
    if (has('getConnection')) return answering(modern(transport as never));
    if (has('select')) return answering(legacy(transport as never));
  }
  throw new TypeError(
    `the option client of type '${type}' must be a client of the package elasticsearch, @elastic/elasticsearch or ` +
      '@opensearch-project/opensearch',
  );
}

const EVERY_STATUS = Array.from({ length: 500 }, (_, index) => 100 + index);

/** Texts pass as they are, so that what is read is what the server wrote. */
const asTexts = {
  serialize: (text: string) => text,
  bulkBody: (text: string) => text,
  deserialize: (text: string) => text,
};

interface LegacyTransport {
  request(params: object, callback: (error: Error | undefined, body: unknown, status?: number) => void): unknown;
}

function legacy(transport: LegacyTransport): Send {
  // The same transport, but for how bodies are read and written.
  const raw = Object.create(transport, { serializer: { value: asTexts } }) as LegacyTransport;
  return ({ method, path, query, body, contentType }) => {
    const params = {
      method,
      path,
      query: Object.fromEntries(query),
      ...(body === undefined ? {} : { body, headers: { 'content-type': contentType } }),
      // The store itself repeats what may be repeated.
      maxRetries: 0,
      ignore: EVERY_STATUS,
    };
    return new Promise((resolve, reject) => {
      raw.request(params, (error, answer, status) => {
        if (error || status === undefined) reject(error ?? new Error('no answer'));
        else resolve({ status, body: textOf(answer) });
      });
    });
  };
}

interface ModernTransport {
  connectionPool: { markAlive?(connection: unknown): void; markDead?(connection: unknown): void };
  request(params: object, options: object): PromiseLike<ModernAnswer>;
}

interface ModernAnswer {
  statusCode: number;
  headers: Record<string, string | undefined> | null;
  body: unknown;
  meta?: { connection?: unknown };
}

function modern(transport: ModernTransport): Send {
  return async ({ method, path, query, body, contentType }) => {
    const params = { method, path, querystring: Object.fromEntries(query), ...(body === undefined ? {} : { body }) };
    const answer = await transport.request(params, {
      headers: { accept: 'application/json', ...(body === undefined ? {} : { 'content-type': contentType }) },
      // Every status is an answer then, and bodies come as the server wrote them.
      asStream: true,
      meta: true,
      // The store itself repeats what may be repeated.
      maxRetries: 0,
    });
    const { statusCode: status, headers, meta } = answer;
    const body_ = await whole(answer.body, /gzip|deflate/i.test(headers?.['content-encoding'] ?? ''));
    // What the client itself does where it reads the status.
    if (meta?.connection)
      transport.connectionPool[status >= 502 && status <= 504 ? 'markDead' : 'markAlive']?.(meta.connection);
    return { status, body: body_ };
  };
}

/** A body’s text, whether it comes as a stream or, from a connection of the user’s own, at once. */
async function whole(body: unknown, isZipped: boolean): Promise<string> {
  if (!(body instanceof Readable)) return textOf(body);
  const chunks: Buffer[] = [];
  for await (const chunk of body) chunks.push(Buffer.from(chunk as Uint8Array));
  const bytes = Buffer.concat(chunks);
  return (isZipped && bytes.length > 0 ? await promisify(unzip)(bytes) : bytes).toString();
}

function textOf(body: unknown): string {
  if (typeof body === 'string') return body;
  if (body instanceof Uint8Array) return Buffer.from(body).toString();
  return typeof body === 'object' && body !== null ? JSON.stringify(body) : '';
}

/** The same, answering also where there is no answer. */
function answering(send: Send): Send {
  return async (asked) => {
    try {
      return await send(asked);
    } catch (error) {
      return { failure: failureOf(error), message: messageOf(error) };
    }
  };
}

function namesOf(error: unknown): string {
  const { name, constructor } = (error ?? {}) as { name?: string; constructor?: { name: string } };
  return `${name ?? ''} ${constructor?.name ?? ''}`;
}

function failureOf(error: unknown): Failure {
  const names = namesOf(error);
  if (names.includes('ProductNotSupported')) return 'UNSUPPORTED';
  return names.includes('Timeout') ? 'TIMEOUT' : 'CONNECTION';
}

/** What a client says. What it keeps beside its message may be secret. */
function messageOf(error: unknown): string {
  const { message } = (error ?? {}) as { message?: unknown };
  const text = message instanceof Error ? message.message : message;
  return typeof text === 'string' && text !== '' ? text : namesOf(error).trim();
}
