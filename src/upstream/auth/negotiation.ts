/**
 * What one request to one endpoint sends as `Authorization`, and what it sends next when that is refused.
 *
 *   start     what worked last (a token that is about to end is renewed first); without that, nothing
 *   refused   1. what another request has got meanwhile
 *             2. credentials, read anew from their source: for the challenge that worked last, then for each challenge
 *                of the answers so far, in their order
 *             3. an anonymous token, from each token server that was named
 *             4. no Authorization at all: its 401 may name other challenges
 *
 * Each way is tried once. With credentials, 3 and 4 are a last resort: only their success counts, since a registry
 * may say "not found" to a stranger. What was refused is remembered (`auth-memory.ts`), so that a wrong password is not
 * tried at every request.
 */
import type { FoundCredentials } from '../../config/credentials/auth-lookup.ts';
import { EntrepotError } from '../../errors.ts';
import type { SingleFlight } from '../../lib/single-flight.ts';
import { type Endpoint, endpointKey } from '../endpoint.ts';
import type { Outcome } from '../outcome.ts';
import type { AuthMemory, Authorization, Kept } from './auth-memory.ts';
import { type Found, isSameChallenge, type Way, waysOf } from './auth-ways.ts';
import type { Challenge } from './challenge.ts';
import type { Credentials } from './credentials.ts';
import { judgeRealm, type RealmContext } from './realms.ts';
import { type Refusal, refusalOf } from './refusal-reason.ts';
import { basicHeader, fetchToken, type TokenDeps } from './tokens.ts';

export interface AuthPlace {
  readonly endpoint: Endpoint;
  readonly method: 'GET' | 'HEAD';
  readonly realm: Omit<RealmContext, 'tokenRealms'>;
  readonly verify: boolean;
  /** False: anonymous tokens only. */
  readonly mayHaveCredentials: boolean;
  /** The registry that the configuration names: `endpoint.host`, or the one that redirected there. */
  readonly registry: string;
}

export interface Try {
  /** Undefined: the request goes without one. */
  readonly authorization: Authorization | undefined;
  /** Only a success of this one counts. */
  readonly lastResort: boolean;
}

export interface Negotiation {
  /** What to send first. */
  start(): Promise<Outcome<Try>>;
  /** What to send now that the last try was refused; or a failure, when nothing is left to try. */
  next(refusal: Refusal): Promise<Outcome<Try>>;
  /**
   * Whether a "no" to a request without Authorization may be meant for strangers: there are credentials, and the registry was not
   * asked for its challenge because of it within the last half minute.
   */
  mayBeForAnonymous(): Promise<boolean>;
  /** The last try was not refused. */
  worked(): void;
}

export interface NegotiationDeps extends TokenDeps {
  readonly credentials: Credentials;
  readonly memory: AuthMemory;
  readonly flights: SingleFlight<Outcome<Kept>>;
  readonly tokenRealms: readonly string[];
  readonly searched: readonly string[];
}

const renewBefore = 10_000;
/** Milliseconds until a renewal that failed is tried again. Meanwhile the old token is sent. */
const renewalPause = 10_000;
/** Requests to the registry for one of ours. */
const maxTries = 8;
/** That are answered: a hostile registry could name hundreds. */
const maxChallenges = 6;

/** How much a failure says about the cause, the least first. */
const weights = { challenged: 0, lastResort: 1, refused: 2, unreadable: 3 } as const;

export function createNegotiation(place: AuthPlace, deps: NegotiationDeps, leaves: AbortSignal): Negotiation {
  const { clock, memory, flights } = deps;
  const { endpoint, mayHaveCredentials } = place;
  const name = endpointKey(endpoint);
  const key = mayHaveCredentials ? name : `${name} without credentials`;
  const ownScope = `repository:${endpoint.reference.repository}:pull`;
  const inFiles = deps.searched.length === 0 ? '' : ` in ${deps.searched.join(', ')}`;
  const noneFound = mayHaveCredentials
    ? `no credentials${inFiles} for ${name}`
    : `${name} gets no credentials`;
  const refusedAs = ({ status }: Refusal) => `${place.method} ${status}`;
  const judge = (realm: string) => judgeRealm(realm, { ...place.realm, tokenRealms: deps.tokenRealms });

  const challenges: Challenge[] = [];
  /** Ways, and values that were sent. */
  const tried = new Set<string>();
  const sent = new Set<string | undefined>();
  /** Token servers that do not work now, and those that have refused our credentials. */
  const dead = new Set<string>();
  let current: {
    readonly way: Way | undefined;
    readonly kept: Kept | undefined;
    readonly lastResort: boolean;
  };
  let found: Promise<Found> | undefined;
  let failure: { readonly outcome: Outcome<never>; readonly weight: number } | undefined;
  /** Refusals other than 401 that new credentials were tried for. */
  const vain = new Set<string>();
  let tries = 0;

  function send(kept?: Kept, way?: Way, lastResort = way?.lastResort ?? false): Outcome<Try> {
    current = { way, kept, lastResort };
    sent.add(kept?.authorization.header);
    return { kind: 'ok', value: { authorization: kept?.authorization, lastResort } };
  }

  /** Of equal weight, the later one is told. */
  function note(outcome: Outcome<never>, weight: number): void {
    if (!failure || weight >= failure.weight) failure = { outcome, weight };
  }

  /** Once for each request: their source is read anew after what was sent is refused. */
  function find(): Promise<Found> {
    found ??= lookUp();
    return found;
  }

  async function lookUp(): Promise<Found> {
    if (!mayHaveCredentials) return { credentials: undefined, problem: undefined };
    try {
      return { credentials: await deps.credentials.find(endpoint), problem: undefined };
    } catch (error) {
      if (!(error instanceof EntrepotError)) throw error;
      note({ kind: 'unauthorized', reason: error.located }, weights.unreadable);
      return { credentials: undefined, problem: error.located };
    }
  }

  async function take(way: Way): Promise<Kept | undefined> {
    if (tried.has(way.what)) return undefined;
    tried.add(way.what);
    const weight = way.lastResort ? weights.lastResort : weights.refused;
    const { credentials: all } = await find();
    const lately = memory.lately(key, way.what, all);
    if (lately) {
      note(lately, weight);
      return undefined;
    }
    const { realm, credentials } = way;
    if (!realm) return credentials?.kind === 'basic' ? takeBasic(way, credentials) : undefined;
    if (dead.has(realm.url.host) || (credentials && dead.has(`${realm.url.host} named`))) return undefined;
    const got = await flights.run(`${key} ${way.what}`, () => buy(way, realm, all), leaves);
    if (got.kind === 'ok') return sent.has(got.value.authorization.header) ? undefined : got.value;
    note(got, weight);
    if (got.kind !== 'unauthorized') dead.add(realm.url.host);
    else if (credentials && 'status' in got && got.status === 401) dead.add(`${realm.url.host} named`);
    return undefined;
  }

  function takeBasic(
    { challenge }: Way,
    credentials: FoundCredentials & { kind: 'basic' },
  ): Kept | undefined {
    const header = basicHeader(credentials);
    if (sent.has(header)) return undefined;
    const authorization = { header, credentials, challenge, scope: undefined, withheld: undefined };
    const kept = { authorization, renewAt: Number.POSITIVE_INFINITY };
    memory.keep(key, kept);
    return kept;
  }

  async function buy(way: Way, realm: NonNullable<Way['realm']>, all: FoundCredentials | undefined) {
    const { what, challenge, scope = ownScope, credentials, lastResort } = way;
    const askedAt = clock.monotonic();
    const service = challenge.parameters.get('service');
    const { verify, registry } = place;
    const got = await fetchToken({ realm, service, scope, credentials, verify, registry, judge }, deps);
    if (got.kind === 'ok') {
      const withheld = realm.kind === 'anonymous' && all ? realm.reason : undefined;
      const authorization = { header: `Bearer ${got.value.text}`, credentials, challenge, scope, withheld };
      const kept = { authorization, renewAt: askedAt + got.value.lifetime - renewBefore };
      if (!lastResort) memory.keep(key, kept);
      return { kind: 'ok', value: kept } as const;
    }
    if (got.kind !== 'unauthorized') return got;
    const isNobody = got.status === 401 && !all && mayHaveCredentials;
    const refused = {
      ...got,
      reason: isNobody ? `${got.reason}; ${noneFound}` : got.reason,
      ...(credentials && { credentials: credentials.source }),
    };
    if (credentials || lastResort) memory.refuse(key, what, all, refused);
    return refused;
  }

  /** Notes who refused what, so that it is not tried again at once. */
  async function learn(refusal: Refusal, all: Found): Promise<void> {
    const { way, kept, lastResort } = current;
    const refused = await refusalOf(refusal, kept?.authorization, { challenges, found: all, noneFound });
    if (!kept) return note(refused, weights.challenged);
    note(refused, lastResort ? weights.lastResort : weights.refused);
    if (refusal.status !== 401) {
      if (!lastResort) vain.add(refusedAs(refusal));
      return;
    }
    const { header } = kept.authorization;
    memory.drop(key, header);
    const { credentials } = all;
    const isOurs = credentials?.kind === 'basic' && basicHeader(credentials) === header;
    if (isOurs) memory.refuse(key, 'basic', credentials, refused);
    else if (way?.lastResort) memory.refuse(key, way.what, credentials, refused);
  }

  async function takeFirst(all: Found, isWanted: (way: Way) => boolean): Promise<Outcome<Try> | undefined> {
    const { ways, refused } = waysOf(challenges, all, { ownScope, judge });
    for (const reason of refused) {
      if (!tried.has(reason)) note({ kind: 'unauthorized', reason }, weights.refused);
      tried.add(reason);
    }
    for (const way of ways) {
      const kept = isWanted(way) ? await take(way) : undefined;
      if (kept) return send(kept, way);
    }
    return undefined;
  }

  return {
    async start() {
      const kept = memory.kept(key);
      if (!kept) return send();
      const { challenge, scope, credentials } = kept.authorization;
      challenges.push(challenge);
      if (clock.monotonic() < kept.renewAt) return send(kept);
      const isAlike = (way: Way) => way.scope === scope && (!way.lastResort || !credentials);
      const renewed = await takeFirst(await find(), isAlike);
      if (renewed) return renewed;
      memory.keep(key, { ...kept, renewAt: clock.monotonic() + renewalPause });
      return send(kept);
    },

    async next(refusal) {
      tries += 1;
      for (const challenge of refusal.challenges) {
        if (challenges.length === maxChallenges) break;
        if (!challenges.some((known) => isSameChallenge(known, challenge))) challenges.push(challenge);
      }
      const all = await find();
      await learn(refusal, all);
      const over = failure?.outcome ?? { kind: 'unauthorized', reason: `HTTP ${refusal.status}` };
      // A host may refuse one content for good. What did not help is not done for each request for it.
      const isKnown =
        refusal.status !== 401 && memory.lately(key, refusedAs(refusal), all.credentials) !== undefined;
      if (isKnown || tries >= maxTries) return over;

      const kept = memory.kept(key);
      if (kept && clock.monotonic() < kept.renewAt && !sent.has(kept.authorization.header)) return send(kept);
      const taken = await takeFirst(all, () => true);
      if (taken) return taken;
      if (!sent.has(undefined)) return send(undefined, undefined, true);
      const said = failure?.outcome ?? over;
      for (const what of vain) memory.refuse(key, what, all.credentials, said);
      return said;
    },

    async mayBeForAnonymous() {
      if (!mayHaveCredentials || tries > 0 || memory.lately(key, 'stranger', undefined)) return false;
      memory.refuse(key, 'stranger', undefined, { kind: 'unauthorized', reason: 'no challenge' });
      const { credentials } = await find();
      return credentials !== undefined;
    },

    worked() {
      const { kept, lastResort } = current;
      if (!lastResort) return;
      const last = memory.kept(key);
      if (kept) memory.keep(key, kept);
      else if (last) memory.drop(key, last.authorization.header);
    },
  };
}
