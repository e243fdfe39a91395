/** The kinds of values in entrepot.toml, in `ENTREPOT_*` variables and in flags, each with what is accepted. */
import { resolve } from 'node:path';
import picomatch from 'picomatch';
import { isNetwork } from '../../lib/networks.ts';
import { dockerHub, dockerHubNames } from '../../oci/docker-hub.ts';
import { isDomain, parseRepository } from '../../oci/reference.ts';
import { parseProxyUrl } from '../proxy-env.ts';
import { durationForms, formatDuration, formatSize, parseDuration, parseSize, sizeForms } from './units.ts';

/** One kind of value. `T` is what the program gets. */
export interface ValueKind<T> {
  /** Ends the sentence "KEY must be ...". */
  readonly expected: string;
  /** The value may hold a secret, so no message shows it. */
  readonly secret?: boolean;
  /** `value` is as in the TOML document. Undefined if it is not of this kind. */
  read(value: unknown): T | undefined;
  /** As `read`, for the text of a variable or a flag. Without it, such a text goes to `read`. */
  readText?(text: string): T | undefined;
  /**
   * The value as the file would have it, without secrets; `written` is what the file has, if it has the key. Without it, the value is
   * shown as it was read.
   */
  show?(value: T, written?: unknown): string | number | boolean;
}

/** Milliseconds. Timers of Node take at most 24.8 days; a wait of more than a day is a mistake. */
const longestWait = 24 * 3_600_000;

const maxPort = 65_535;
/** Milliseconds. An age of more than ten years is a mistake. */
const longestAge = 3650 * 86_400_000;

/** A user name for Basic authentication (RFC 7617). */
export const username: ValueKind<string> = {
  expected: 'a user name without ":"',
  read: (value) => (typeof value === 'string' && /^[^:\x00-\x1f]+$/.test(value) ? value : undefined),
};

/** A path relative to `folder`; `read` makes it absolute. */
export function pathFrom(folder: string): ValueKind<string> {
  return {
    expected: 'a path of at least one character',
    read: (value) =>
      typeof value === 'string' && value !== '' && !value.includes('\0') ? resolve(folder, value) : undefined,
  };
}

/** True or false; in a variable also 1 or 0. */
export const flag: ValueKind<boolean> = {
  expected: 'true or false',
  read: (value) => (typeof value === 'boolean' ? value : undefined),
  readText: (text) =>
    text === 'true' || text === '1' ? true : text === 'false' || text === '0' ? false : undefined,
};

/** One of `words`, as it is. */
export function oneOf<const T extends string>(...words: readonly T[]): ValueKind<T> {
  const quoted = words.map((word) => `"${word}"`);
  return {
    expected: [quoted.slice(0, -1).join(', '), quoted.at(-1)].filter(Boolean).join(' or '),
    read: (value) => words.find((word) => word === value),
  };
}

/** `log.level`. */
export const logLevel = oneOf('debug', 'info', 'warn', 'error');
/** `log.format`. */
export const logFormat = oneOf('text', 'json');

/** `limits.workers`. */
export const oneWorker: ValueKind<1> = {
  expected:
    '1: one process serves a data folder (docs/decisions/0044); for more cores, run several instances as a cluster behind a load ' +
    'balancer (docs/sizing.md)',
  read: (value) => (value === 1 ? value : undefined),
};

/** A whole number, both bounds included. */
export function integer(least: number, most: number): ValueKind<number> {
  return {
    expected: `a whole number from ${least} to ${most}`,
    read: (value) =>
      typeof value === 'number' && Number.isInteger(value) && value >= least && value <= most
        ? value
        : undefined,
  };
}

/** A duration as it is written: `"60m"` is not shown as `1h`. */
function showDuration(milliseconds: number, written?: unknown): string {
  return typeof written === 'string' ? written : formatDuration(milliseconds);
}

/** Milliseconds; zero is allowed. */
export const age: ValueKind<number> = {
  expected: `${durationForms}, at most "3650d"`,
  read(value) {
    const milliseconds = typeof value === 'string' ? parseDuration(value) : undefined;
    return milliseconds !== undefined && milliseconds <= longestAge ? milliseconds : undefined;
  },
  show: showDuration,
};

/** Milliseconds, at most a day; zero means none. */
export const pause: ValueKind<number> = {
  expected: `${durationForms}, at most "24h"`,
  read(value) {
    const milliseconds = age.read(value);
    return milliseconds !== undefined && milliseconds <= longestWait ? milliseconds : undefined;
  },
  show: showDuration,
};

/** Milliseconds for a timer: more than zero, at most a day. */
export const wait: ValueKind<number> = {
  expected: `${durationForms}, more than zero and at most "24h"`,
  read(value) {
    const milliseconds = age.read(value);
    return milliseconds && milliseconds <= longestWait ? milliseconds : undefined;
  },
  show: showDuration,
};

/** Milliseconds from an hour to ten years: the period of expensive work. */
export const period: ValueKind<number> = {
  expected: `${durationForms}, from "1h" to "3650d"`,
  read(value) {
    const milliseconds = age.read(value);
    return milliseconds && milliseconds >= 3_600_000 ? milliseconds : undefined;
  },
  show: showDuration,
};

/** Bytes, at least `least`. */
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

/** The address to listen on. Port 0 means a free port. */
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

/** An IP address or a network of IP addresses, not of all. */
export const network: ValueKind<string> = {
  expected: 'an IP address or a network such as "10.0.0.0/8" or "2001:db8::/32", with at least one bit',
  read: (value) =>
    typeof value === 'string' && isNetwork(value) && !/\/0+$/.test(value) ? value : undefined,
};

/** `host[:port]`, as it is. */
export const host: ValueKind<string> = {
  expected: 'HOST or HOST:PORT, without "https://" and without a path',
  read: (value) => (typeof value === 'string' && isHost(value) ? value : undefined),
};

/** `host[:port]`, or `*.DOMAIN` for all hosts below a domain, which must have two labels at least. */
export const hostOrDomain: ValueKind<string> = {
  expected: 'HOST, HOST:PORT or *.DOMAIN, without "https://" and without a path',
  read(value) {
    const wildcard = typeof value === 'string' && value.startsWith('*.') ? value.slice(2) : undefined;
    if (typeof value !== 'string' || wildcard === undefined) return host.read(value);
    return isDomain(wildcard) && /^[^:]+\.[^:]+$/.test(wildcard) ? value : undefined;
  },
};

/** A `Host` header, in lower case: its case does not count. */
export const hostHeader: ValueKind<string> = { ...host, read: (value) => host.read(value)?.toLowerCase() };

/** `host[:port]`; the other names of docker.io become docker.io. */
export const registry: ValueKind<string> = {
  expected: 'a registry as HOST or HOST:PORT, without "https://" and without a path',
  read(value) {
    if (typeof value !== 'string' || !isHost(value)) return undefined;
    return dockerHubNames.has(value.toLowerCase()) ? dockerHub : value;
  },
};

/** A first component of a path in `/v2/...`. */
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

/** The URL of an HTTP proxy, or `direct`. */
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

/** What an access rule may allow. */
export const right = oneOf('pull', 'push', 'delete', 'administer');

/** A name in `who` of an access rule. */
export const principal: ValueKind<string> = {
  expected: 'the name of an account, "group:NAME", "cn=NAME" or "anonymous", with "*" for any characters',
  read: (value) =>
    typeof value === 'string' && /^[^\s\x00-\x1f][^\x00-\x1f]{0,254}$/.test(value) ? value : undefined,
};

/** A glob over tags. */
export const tagPattern: ValueKind<string> = {
  expected: 'a pattern over tags such as "v*", with its brackets closed',
  read: (value) =>
    typeof value === 'string' && !value.includes('/') && isPattern(value) ? value : undefined,
};

/** The name of a block: for commands, paths and the log. */
export const blockName: ValueKind<string> = {
  expected: 'a name of at most 64 letters, digits, ".", "_" and "-"',
  read: (value) =>
    typeof value === 'string' && /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/.test(value) ? value : undefined,
};

/** A text of at least one character. */
export const text: ValueKind<string> = {
  expected: 'a text of at least one character',
  read: (value) => (typeof value === 'string' && value.trim() !== '' ? value : undefined),
};

/** A text that a header can hold in quotes. */
export const quotable: ValueKind<string> = {
  expected: 'a text of printable ASCII characters without quotes and backslashes',
  read: (value) => (typeof value === 'string' && /^[ !#-[\]-~]+$/.test(value) ? value : undefined),
};

/** A URL over HTTPS, or over HTTP for a server on this machine or in a test. */
export const webUrl: ValueKind<string> = {
  expected: 'a URL that begins with "https://" or "http://", without user info',
  read(value) {
    if (typeof value !== 'string' || /[^!#-[\]-~]/.test(value) || !URL.canParse(value)) return undefined;
    const { protocol, username, password } = new URL(value);
    return /^https?:$/.test(protocol) && username === '' && password === '' ? value : undefined;
  },
};

/** A share from 0 to 1. */
export const share: ValueKind<number> = {
  expected: 'a number from 0 to 1, such as 0.1',
  read: (value) => (typeof value === 'number' && value >= 0 && value <= 1 ? value : undefined),
};

/** `always`, `never` or a share from 0 to 1. */
export const fillRule: ValueKind<'always' | 'never' | number> = {
  expected: '"always", "never" or a share from 0 to 1, such as 0.5',
  read(value) {
    if (value === 'always' || value === 'never') return value;
    return share.read(value);
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
