/**
 * Robot tokens: credentials of programs, made by `entrepot token create`. A token is `entrepot_` and 256 random bits; the file
 * keeps its SHA-256 alone, so neither the file nor a backup of it is a credential.
 *
 *   { "version": 1, "robots": [{ "name", "match": [], "may": [], "hash", "created", "expires" }], "revoked": [{ "hash", "at" }] }
 *
 * What was revoked is remembered, so that a replica that still has the token cannot bring it back.
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
import { reasonOf } from '../../lib/thrown.ts';

export interface Robot {
  /** Of this token: another one of the same name has another id. It tells nothing of the token. */
  readonly id: string;
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
  create(robot: Omit<Robot, 'id' | 'created'>): string;
  /** Whether there was one of this name. Its token stops at once. */
  revoke(name: string): boolean;
  /** All tokens and revocations, as other replicas are told of them. */
  told(): readonly ToldRobot[];
  /**
   * Takes what other replicas tell: a token that is not known, or the end of one. A revocation is final. What is no robot is left out,
   * and its hash is in `ignored`.
   */
  hear(robots: readonly ToldRobot[]): { readonly isChanged: boolean; readonly ignored: readonly string[] };
}

/** A token between replicas: as secret as the file. */
export interface ToldRobot {
  /** SHA-256 of the token, hex. */
  readonly hash: string;
  /** The robot as it is in the file, JSON; undefined once it is revoked. */
  readonly robot: string | undefined;
  /** Epoch ms; undefined: it is not. */
  readonly revoked: number | undefined;
}

interface StoredRobot extends Robot {
  /** SHA-256 of the token, hex. */
  readonly hash: string;
}

export const robotTokenPrefix = 'entrepot_';
const hashForm = /^[0-9a-f]{64}$/;
/** Of a robot that another replica tells of. */
const maxToldLength = 64 * 1024;
const nameForm = /^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$/;

export interface RobotsDeps {
  readonly clock: Clock;
  /** The file cannot be read now: until it can, no token is known. */
  onProblem(problem: EntrepotError): void;
}

interface StoredRobots {
  readonly all: readonly StoredRobot[];
  /** When each was, by hash. */
  readonly revoked: ReadonlyMap<string, number>;
  readonly byHash: ReadonlyMap<string, StoredRobot>;
  readonly byName: ReadonlyMap<string, StoredRobot>;
}

/**
 * Of `file`, which need not exist yet. `list`, `create` and `revoke` throw EntrepotError DATA_UNUSABLE where the file cannot be read or
 * written; `verify` and `find` then know no robot.
 */
export function createRobots({ clock, onProblem }: RobotsDeps, file: string): Robots {
  const files = createWatchedFiles(readRobots);
  const stored = () => files.get(file);

  function current(look: (robots: StoredRobots) => StoredRobot | undefined): Robot | undefined {
    try {
      const robot = look(stored());
      const isCurrent = robot && (robot.expires === undefined || robot.expires > clock.now());
      return isCurrent ? withoutHash(robot) : undefined;
    } catch (error) {
      if (!(error instanceof EntrepotError)) throw error;
      onProblem(error);
      return undefined;
    }
  }

  return {
    verify(token) {
      if (!token.startsWith(robotTokenPrefix)) return undefined;
      return current(({ byHash }) => byHash.get(hashOf(token)));
    },
    find: (name) => current(({ byName }) => byName.get(name)),
    list: () =>
      stored()
        .all.map(withoutHash)
        .toSorted((a, b) => (a.name < b.name ? -1 : 1)),
    create(robot) {
      const { name } = robot;
      if (!nameForm.test(name) || name === 'anonymous') {
        const form = 'letters, digits, ".", "_" and "-", at most 128, and not "anonymous"';
        throw new EntrepotError('USAGE', `"${name}" cannot be the name of a token: ${form}`);
      }
      const { all, byName, revoked } = stored();
      if (byName.has(name)) {
        const message = `there is a token "${name}" already: revoke it first, or choose another name`;
        throw new EntrepotError('USAGE', message);
      }
      const token = `${robotTokenPrefix}${randomBytes(32).toString('base64url')}`;
      const hash = hashOf(token);
      writeRobots(file, [...all, { ...robot, id: idOf(hash), created: clock.now(), hash }], revoked);
      return token;
    },
    revoke(name) {
      const { all, revoked } = stored();
      const gone = all.filter((one) => one.name === name);
      if (gone.length === 0) return false;
      const now = clock.now();
      const rest = all.filter((one) => one.name !== name);
      writeRobots(file, rest, new Map([...revoked, ...gone.map(({ hash }) => [hash, now] as const)]));
      return true;
    },
    told() {
      const { all, revoked } = stored();
      return [
        ...all.map(({ id: _, ...robot }) => ({
          hash: robot.hash,
          robot: JSON.stringify(robot),
          revoked: undefined,
        })),
        ...[...revoked].map(([hash, at]) => ({ hash, robot: undefined, revoked: at })),
      ];
    },
    hear(told) {
      const { all, byHash, revoked } = stored();
      const ends = told.filter(({ hash, revoked: at }) => at !== undefined && hashForm.test(hash));
      const ended = new Map([...revoked, ...ends.map(({ hash, revoked: at = 0 }) => [hash, at] as const)]);
      const unknown = told.filter(
        ({ hash, revoked: at }) => at === undefined && !byHash.has(hash) && !ended.has(hash),
      );
      const read = unknown.map((one) => ({ hash: one.hash, robot: readTold(one) }));
      const added = read.flatMap(({ robot }) => robot ?? []);
      const ignored = read.flatMap(({ hash, robot }) => (robot ? [] : [hash.slice(0, 12)]));
      const kept = [...all, ...added].filter(({ hash }) => !ended.has(hash));
      const isChanged = added.length > 0 || kept.length < all.length || ended.size > revoked.size;
      if (isChanged) writeRobots(file, kept, ended);
      return { isChanged, ignored };
    },
  };
}

function hashOf(token: string): string {
  return createHash('sha256').update(token).digest('hex');
}

function withoutHash({ hash: _, ...robot }: StoredRobot): Robot {
  return robot;
}

/** Tells two tokens apart, and nothing of either. */
function idOf(hash: string): string {
  return hashOf(hash).slice(0, 16);
}

function readRobots(file: string): StoredRobots {
  const text = readTextFile(file, { code: 'DATA_UNUSABLE' });
  const { all, revoked } = text === undefined ? { all: [], revoked: [] } : parseRobots(text, file);
  // Of two replicas that each made one of a name before they heard of each other, the first is meant by it.
  const byAge = all.toSorted((a, b) => b.created - a.created || (a.hash < b.hash ? 1 : -1));
  return {
    all,
    revoked: new Map(revoked.map(({ hash, at }) => [hash, at])),
    byHash: new Map(all.map((robot) => [robot.hash, robot])),
    byName: new Map(byAge.map((robot) => [robot.name, robot])),
  };
}

interface RobotsFile {
  readonly all: readonly StoredRobot[];
  readonly revoked: readonly { readonly hash: string; readonly at: number }[];
}

function parseRobots(text: string, file: string): RobotsFile {
  try {
    const { robots, revoked = [] } = JSON.parse(text) as {
      robots: readonly Record<string, unknown>[];
      revoked?: RobotsFile['revoked'];
    };
    const ends = revoked.map(({ hash, at }) => {
      if (typeof hash !== 'string' || typeof at !== 'number') throw new TypeError();
      return { hash, at };
    });
    return { all: robots.map(readRobot), revoked: ends };
  } catch (cause) {
    const message =
      'is no file of robot tokens: restore it from a backup, or remove it and create the tokens anew';
    throw new EntrepotError('DATA_UNUSABLE', message, { file, cause });
  }
}

/** Undefined for what is none. */
function readTold({ hash, robot: text = '' }: ToldRobot): StoredRobot | undefined {
  if (text.length > maxToldLength || !hashForm.test(hash)) return undefined;
  try {
    const robot = readRobot(JSON.parse(text) as Record<string, unknown>);
    return robot.hash === hash && nameForm.test(robot.name) && robot.name !== 'anonymous' ? robot : undefined;
  } catch {
    return undefined;
  }
}

/** Throws TypeError for what is no robot. */
function readRobot(robot: Record<string, unknown>): StoredRobot {
  const { name, match, may, hash, created, expires } = robot;
  if (typeof name !== 'string' || typeof hash !== 'string' || typeof created !== 'number')
    throw new TypeError();
  if (!isTexts(match) || !isTexts(may)) throw new TypeError();
  // A time that cannot be read must not make a token that never expires.
  if (expires !== undefined && typeof expires !== 'number') throw new TypeError();
  return {
    id: idOf(hash),
    name,
    match,
    may: rights.filter((right) => may.includes(right)),
    hash,
    created,
    expires,
  };
}

function isTexts(value: unknown): value is readonly string[] {
  return Array.isArray(value) && value.every((one) => typeof one === 'string');
}

function writeRobots(file: string, robots: readonly StoredRobot[], ended: ReadonlyMap<string, number>): void {
  try {
    const kept = robots.map(({ id: _, ...robot }) => robot);
    const revoked = [...ended].map(([hash, at]) => ({ hash, at }));
    writeFileSafely(file, `${JSON.stringify({ version: 1, robots: kept, revoked }, undefined, 2)}\n`);
  } catch (cause) {
    const message = `the robot tokens cannot be written: ${reasonOf(cause)}`;
    throw new EntrepotError('DATA_UNUSABLE', message, { file, cause });
  }
}
