/** The kinds of values in entrepot.toml, in `ENTREPOT_*` variables and in flags: what each looks like when it is right. */
import { resolve } from 'node:path';
import picomatch from 'picomatch';
import { isDomain, parseRepository } from '../../oci/reference.ts';
import { parseProxyUrl } from '../proxy-env.ts';
import { durationForms, formatDuration, formatSize, parseDuration, parseSize, sizeForms } from './units.ts';

export interface ValueKind<T> {
  /** Ends the sentence "KEY must be ...". */
  readonly expected: string;
  /** The value may hold a secret: no message shows it. */
  readonly secret?: boolean;
  /** Undefined where `value`, as TOML gave it, is not of this kind. */
  read(value: unknown): T | undefined;
  /** As `read`, of the text of a variable or a flag. Without it, `read` takes such a text. */
  readText?(text: string): T | undefined;
  /** As the file would have it, without secrets. A kind that has none is shown as it is read. */
  show?(value: T): string | number | boolean;
}

/** Timers of Node take at most 24.8 days; nobody means to wait for that long. */
const longestWait = 24 * 3_600_000;

const maxPort = 65_535;
/** An age beyond ten years is a mistake. */
const longestAge = 3650 * 86_400_000;

export const username: ValueKind<string> = {
  expected: 'a user name without ":"',
  read: (value) => (typeof value === 'string' && /^[^:\x00-\x1f]+$/.test(value) ? value : undefined),
};

/** A path, relative to `folder`; read, it is absolute. */
export function pathFrom(folder: string): ValueKind<string> {
  return {
    expected: 'a path of at least one character',
    read: (value) =>
      typeof value === 'string' && value !== '' && !value.includes('\0') ? resolve(folder, value) : undefined,
  };
}

export const flag: ValueKind<boolean> = {
  expected: 'true or false',
  read: (value) => (typeof value === 'boolean' ? value : undefined),
  readText: (text) =>
    text === 'true' || text === '1' ? true : text === 'false' || text === '0' ? false : undefined,
};

export function oneOf<const T extends string>(...words: readonly T[]): ValueKind<T> {
  const quoted = words.map((word) => `"${word}"`);
  return {
    expected: `${quoted.slice(0, -1).join(', ')} or ${quoted.at(-1)}`,
    read: (value) => words.find((word) => word === value),
  };
}

export const logLevel = oneOf('debug', 'info', 'warn', 'error');
export const logFormat = oneOf('text', 'json');

export function integer(least: number, most: number): ValueKind<number> {
  return {
    expected: `a whole number from ${least} to ${most}`,
    read: (value) =>
      typeof value === 'number' && Number.isInteger(value) && value >= least && value <= most
        ? value
        : undefined,
  };
}

/** Milliseconds, zero allowed: an age. */
export const age: ValueKind<number> = {
  expected: `${durationForms}, at most "3650d"`,
  read(value) {
    const milliseconds = typeof value === 'string' ? parseDuration(value) : undefined;
    return milliseconds !== undefined && milliseconds <= longestAge ? milliseconds : undefined;
  },
  show: formatDuration,
};

/** Milliseconds, at most a day; zero for none. */
export const pause: ValueKind<number> = {
  expected: `${durationForms}, at most "24h"`,
  read(value) {
    const milliseconds = age.read(value);
    return milliseconds !== undefined && milliseconds <= longestWait ? milliseconds : undefined;
  },
  show: formatDuration,
};

/** Milliseconds, not zero, at most a day: a wait that a timer measures. */
export const wait: ValueKind<number> = {
  expected: `${durationForms}, more than zero and at most "24h"`,
  read(value) {
    const milliseconds = age.read(value);
    return milliseconds && milliseconds <= longestWait ? milliseconds : undefined;
  },
  show: formatDuration,
};

/** Milliseconds, from an hour to ten years: how often something large is done. */
export const period: ValueKind<number> = {
  expected: `${durationForms}, from "1h" to "3650d"`,
  read(value) {
    const milliseconds = age.read(value);
    return milliseconds && milliseconds >= 3_600_000 ? milliseconds : undefined;
  },
  show: formatDuration,
};

/** Bytes. */
export function size(least: number): ValueKind<number> {
  return {
    expected: least > 1 ? `${sizeForms}, at least ${least} bytes` : sizeForms,
    read(value) {
      const bytes = typeof value === 'string' ? parseSize(value) : value;
      return typeof bytes === 'number' && Number.isSafeInteger(bytes) && bytes >= least ? bytes : undefined;
    },
    show: formatSize,
  };
}

/** The address to listen on. Port 0 takes a free one. */
export const listenAddress: ValueKind<{ host: string; port: number }> = {
  expected: 'HOST:PORT, such as "127.0.0.1:5000", "0.0.0.0:5000" or "[::]:5000"',
  read(value) {
    const match = typeof value === 'string' ? /^(?:\[([^\]]+)\]|([^:[\]/\s]+)):(\d{1,5})$/.exec(value) : null;
    const host = match?.[1] ?? match?.[2];
    const port = Number(match?.[3]);
    return host !== undefined && port <= maxPort ? { host, port } : undefined;
  },
  show: ({ host, port }) => `${host.includes(':') ? `[${host}]` : host}:${port}`,
};

/** `host[:port]` as it is. */
export const host: ValueKind<string> = {
  expected: 'HOST or HOST:PORT, without "https://" and without a path',
  read: (value) => (typeof value === 'string' && isHost(value) ? value : undefined),
};

/** `*.DOMAIN` stands for all hosts below it; of one label, it would stand for half the world. */
export const hostOrDomain: ValueKind<string> = {
  expected: 'HOST, HOST:PORT or *.DOMAIN, without "https://" and without a path',
  read(value) {
    const wildcard = typeof value === 'string' && value.startsWith('*.') ? value.slice(2) : undefined;
    if (typeof value !== 'string' || wildcard === undefined) return host.read(value);
    return isDomain(wildcard) && /^[^:]+\.[^:]+$/.test(wildcard) ? value : undefined;
  },
};

/** A `Host` header, which is the same in upper and lower case. */
export const hostHeader: ValueKind<string> = { ...host, read: (value) => host.read(value)?.toLowerCase() };

/** `host[:port]`; the other names of docker.io become docker.io. */
export const registry: ValueKind<string> = {
  expected: 'a registry as HOST or HOST:PORT, without "https://" and without a path',
  read(value) {
    if (typeof value !== 'string' || !isHost(value)) return undefined;
    return /^(?:index\.|registry-1\.)?docker\.io$/i.test(value) ? 'docker.io' : value;
  },
};

/** What may be the first component of a path in `/v2/...`. */
export const firstComponent: ValueKind<string> = {
  expected: 'one path component, without "/"',
  read: (value) =>
    typeof value === 'string' && !value.includes('/') && (parseRepository(value) || isDomain(value))
      ? value
      : undefined,
};

/** A pattern over `registry/repository[:tag]`, as picomatch reads it. */
export const pattern: ValueKind<string> = {
  expected: 'a pattern over REGISTRY/REPOSITORY such as "docker.io/team/**", with its brackets closed',
  read: (value) => (typeof value === 'string' && isPattern(value) ? value : undefined),
};

export const proxy: ValueKind<string> = {
  expected: 'the URL of an HTTP proxy, such as "http://proxy.example:3128", or "direct"',
  secret: true,
  read: (value) =>
    typeof value === 'string' && value !== ''
      ? value === 'direct'
        ? value
        : parseProxyUrl(value)
      : undefined,
  show: (value) => value.replace(/(?<=:\/\/)[^/]*@/, ''),
};

/** `always`, `never` or a share between the two. */
export const fillRule: ValueKind<'always' | 'never' | number> = {
  expected: '"always", "never" or a share from 0 to 1, such as 0.5',
  read(value) {
    if (value === 'always' || value === 'never') return value;
    return typeof value === 'number' && value >= 0 && value <= 1 ? value : undefined;
  },
};

function isHost(value: string): boolean {
  return isDomain(value) && Number(/:(\d+)$/.exec(value)?.[1] ?? 0) <= maxPort;
}

function isPattern(value: string): boolean {
  if (value === '' || /\s|^\/|:\/\//.test(value)) return false;
  try {
    picomatch(value, { strictBrackets: true });
    return true;
  } catch {
    return false;
  }
}
