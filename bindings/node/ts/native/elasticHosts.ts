/** A host as the legacy client takes it. */
export interface ElasticHost {
  /** Default: `'http'`. */
  protocol?: string;
  /** Default: `'localhost'`. */
  host?: string;
  /** The same as `host`. */
  hostname?: string;
  /** Default: 9200. */
  port?: number | string;
  /** What stands before every path. */
  path?: string;
  /** `user:password`. */
  auth?: string;
}

/** Where servers are, and who asks there. */
export interface Hosts {
  urls: string[];
  credentials?: { username: string; password: string };
}

const PARTS = ['protocol', 'host', 'hostname', 'port', 'path', 'auth'];

/** The URL of one host. It is not told where it is wrong: it may have a secret. */
function urlOf(host: unknown): URL | undefined {
  try {
    if (typeof host === 'string')
      return new URL(/^[a-z]+:\/\//i.test(host) ? host : `http://${host.replace(/^\/\//, '')}`);
    if (typeof host !== 'object' || host === null || Object.keys(host).some((part) => !PARTS.includes(part)))
      return undefined;
    const {
      protocol = 'http',
      hostname,
      host: name = hostname ?? 'localhost',
      port,
      path = '',
      auth,
    } = host as ElasticHost;
    const at = /:.*:/.test(name) && !name.startsWith('[') ? `[${name}]` : name;
    const url = new URL(`${protocol.replace(/:(\/\/)?$/, '')}://${at}`);
    url.port = String(port ?? (/:\d+$/.test(at) ? url.port : 9200));
    url.pathname = path;
    const [, username = '', password = ''] = /^([^:]*):(.*)$/s.exec(auth ?? '') ?? [];
    url.username = encodeURIComponent(username);
    url.password = encodeURIComponent(password);
    return url;
  } catch {
    return undefined;
  }
}

/**
 * What the options `host` and `hosts` say: each one host or several, as a URL, as `localhost:9200`, or by its parts.
 *
 * @throws TypeError where they can’t be hosts, or one user is to ask here and another one there.
 */
export function hostsOf(type: string, { host, hosts }: Record<string, unknown>): Hosts | undefined {
  const name = hosts === undefined || hosts === null ? 'host' : 'hosts';
  const given = hosts ?? host;
  if (given === undefined || given === null) return undefined;
  const urls = (Array.isArray(given) ? given : [given]).map((one) => {
    const url = urlOf(one);
    if (url && /^https?:$/.test(url.protocol)) return url;
    throw new TypeError(
      `the option ${name} of type '${type}' must be a host or a list of them, each as 'http://localhost:9200', ` +
        `'localhost:9200', or an object of ${PARTS.join(', ')}`,
    );
  });
  const users = new Set(urls.map(({ username, password }) => `${username}:${password}`));
  if (users.size > 1) throw new TypeError(`the option ${name} of type '${type}' must have one user for all hosts`);
  const [first] = urls;
  const plain = urls.map(({ protocol, host: at, pathname }) => `${protocol}//${at}${pathname.replace(/\/$/, '')}`);
  if (!first?.username) return { urls: plain };
  return { urls: plain, credentials: { username: decoded(first.username), password: decoded(first.password) } };
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
