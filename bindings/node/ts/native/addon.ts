import { existsSync } from 'node:fs';
import { join } from 'node:path';

import type { Send } from './elasticClient';
import type { Told } from './elasticLog';

/** A store on the other side of the crossing. */
export interface NativeHandle {
  /**
   * JSON text in; JSON text out, or the number under which it comes later. Text that begins with `!` is an error.
   */
  call(operation: string, args: string): string | number;
  /** Says what to call when there are answers to calls that waited. Keeps no process alive. */
  ring(told: () => void): void;
  /** The answers that have come since, with the numbers of their calls. */
  answers(): [number, string][];
  /** What the user should know of the database's settings. */
  warnings(): string[];
  /** Tells whether the database answers, each time that it changes, where the store knows. Keeps no process alive. */
  watch(told: (isConnected: boolean) => void): void;
}

/** What the addon exports. */
export interface Addon {
  openMemory(positions: boolean): NativeHandle;
  /**
   * Opens a store by its type and its options as JSON text. Where its requests are seen here, `send` sends them and `told` is
   * told of them.
   */
  open(type: string, options: string, send?: Send, told?: (request: Told) => void): Promise<NativeHandle>;
}

let loaded: Addon | undefined;

/** The triple by which the addon's binary for this platform is named, e.g. `linux-x64-gnu`. */
function platformTriple(): string {
  const { platform, arch } = process;
  if (platform === 'linux') {
    const settings = process.report as { excludeNetwork?: boolean };
    const { excludeNetwork = false } = settings;
    // Else every open socket's address is looked up first.
    settings.excludeNetwork = true;
    const report = process.report.getReport() as { header?: { glibcVersionRuntime?: string } };
    settings.excludeNetwork = excludeNetwork;
    return `${platform}-${arch}-${report.header?.glibcVersionRuntime ? 'gnu' : 'musl'}`;
  }
  return platform === 'win32' ? `${platform}-${arch}-msvc` : `${platform}-${arch}`;
}

/**
 * Loads the addon: the one beside the package where it was built there, else the one of the platform's package.
 *
 * @throws Error where there is neither, naming the package to install.
 */
export function addon(): Addon {
  if (loaded) return loaded;
  const triple = platformTriple();
  const beside = join(__dirname, '..', '..', `annals.${triple}.node`);
  const name = existsSync(beside) ? beside : `annals-${triple}`;
  try {
    // eslint-disable-next-line @typescript-eslint/no-require-imports -- an addon can't be imported
    loaded = require(name) as Addon;
  } catch (cause) {
    const isMissing = name !== beside && (cause as NodeJS.ErrnoException).code === 'MODULE_NOT_FOUND';
    const message = isMissing
      ? `annals has no native store for this platform (${triple}): ` +
        `install the package annals-${triple}, or npm install again without --omit=optional.`
      : `the native store of annals for this platform (${triple}), ${name}, can’t be loaded: ${String(cause)}`;
    throw new Error(message, { cause });
  }
  return loaded;
}
