/**
 * Robot tokens: credentials of programs, made by `entrepot token create`. A token is `entrepot_` and 256 random bits; the file
 * keeps its SHA-256 alone, so neither the file nor a backup of it is a credential.
 *
 *   { "version": 1, "robots": [{ "name", "match": [], "may": [], "hash", "created", "expires" }] }
 *
 * The file is written whole, flushed and renamed into its place, and read again when it changed: a command and a running
 * server share it.
 */
import { createHash, randomBytes } from 'node:crypto';
import { type Right, rights } from '../../config/config.ts';
import { readTextFile } from '../../config/files/text-file.ts';
import { createWatchedFiles } from '../../config/files/watched-file.ts';
import { EntrepotError } from '../../errors.ts';
import type { Clock } from '../../lib/clock.ts';
import { writeFileSafely } from '../../lib/safe-write.ts';

export interface Robot {
  readonly name: string;
  /** Globs over `registry/repository`. */
  readonly match: readonly string[];
  readonly may: readonly Right[];
  /** Epoch ms. */
  readonly created: number;
  /** Epoch ms; undefined: never. */
  readonly expires: number | undefined;
}

export interface Robots {
  /** The robot whose token this is; undefined for an unknown, revoked or expired one. */
  verify(token: string): Robot | undefined;
  find(name: string): Robot | undefined;
  /** By name. Expired ones are listed until they are revoked. */
  list(): readonly Robot[];
  /** Gives the token, which is shown this once. Throws EntrepotError USAGE where the name is taken. */
  create(robot: Omit<Robot, 'created'>): string;
  /** Whether there was one of this name. Its tokens stop at once. */
  revoke(name: string): boolean;
}

interface StoredRobot extends Robot {
  /** SHA-256 of the token, hex. */
  readonly hash: string;
}

export const robotTokenPrefix = 'entrepot_';
const nameForm = /^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$/;

/** Of `file`, which need not exist yet. Every method throws EntrepotError DATA_UNUSABLE where the file cannot be read or written. */
export function createRobots({ clock }: { readonly clock: Clock }, file: string): Robots {
  const files = createWatchedFiles(readRobots);
  const stored = () => files.get(file);
  const isCurrent = (robot: Robot) => robot.expires === undefined || robot.expires > clock.now();

  return {
    verify(token) {
      if (!token.startsWith(robotTokenPrefix)) return undefined;
      const robot = stored().byHash.get(hashOf(token));
      return robot && isCurrent(robot) ? withoutHash(robot) : undefined;
    },
    find(name) {
      const robot = stored().robots.find((one) => one.name === name);
      return robot && isCurrent(robot) ? withoutHash(robot) : undefined;
    },
    list: () =>
      stored()
        .robots.map(withoutHash)
        .toSorted((a, b) => (a.name < b.name ? -1 : 1)),
    create(robot) {
      const { name } = robot;
      if (!nameForm.test(name) || name === 'anonymous') {
        const form = 'letters, digits, ".", "_" and "-", at most 128, and not "anonymous"';
        throw new EntrepotError('USAGE', `"${name}" cannot be the name of a token: ${form}`);
      }
      const { robots } = stored();
      if (robots.some((one) => one.name === name)) {
        throw new EntrepotError(
          'USAGE',
          `there is a token "${name}" already: revoke it first, or choose another name`,
        );
      }
      const token = `${robotTokenPrefix}${randomBytes(32).toString('base64url')}`;
      writeRobots(file, [...robots, { ...robot, created: clock.now(), hash: hashOf(token) }]);
      return token;
    },
    revoke(name) {
      const { robots } = stored();
      const rest = robots.filter((one) => one.name !== name);
      if (rest.length === robots.length) return false;
      writeRobots(file, rest);
      return true;
    },
  };
}

function hashOf(token: string): string {
  return createHash('sha256').update(token).digest('hex');
}

function withoutHash({ hash: _, ...robot }: StoredRobot): Robot {
  return robot;
}

function readRobots(file: string): {
  robots: readonly StoredRobot[];
  byHash: ReadonlyMap<string, StoredRobot>;
} {
  const text = readTextFile(file, { code: 'DATA_UNUSABLE' });
  const robots = text === undefined ? [] : parseRobots(text, file);
  return { robots, byHash: new Map(robots.map((robot) => [robot.hash, robot])) };
}

function parseRobots(text: string, file: string): readonly StoredRobot[] {
  try {
    const { robots } = JSON.parse(text) as { robots: readonly Record<string, unknown>[] };
    return robots.map((robot) => {
      const { name, match, may, hash, created, expires } = robot;
      if (typeof name !== 'string' || typeof hash !== 'string' || typeof created !== 'number')
        throw new TypeError();
      if (!isTexts(match) || !isTexts(may)) throw new TypeError();
      return {
        name,
        match,
        may: rights.filter((right) => may.includes(right)),
        hash,
        created,
        expires: typeof expires === 'number' ? expires : undefined,
      };
    });
  } catch (cause) {
    const message =
      'is no file of robot tokens: restore it from a backup, or remove it and create the tokens anew';
    throw new EntrepotError('DATA_UNUSABLE', message, { file, cause });
  }
}

function isTexts(value: unknown): value is readonly string[] {
  return Array.isArray(value) && value.every((one) => typeof one === 'string');
}

function writeRobots(file: string, robots: readonly StoredRobot[]): void {
  try {
    writeFileSafely(file, `${JSON.stringify({ version: 1, robots }, undefined, 2)}\n`);
  } catch (cause) {
    const { message } = cause as Error;
    throw new EntrepotError('DATA_UNUSABLE', `the robot tokens cannot be written: ${message}`, {
      file,
      cause,
    });
  }
}
