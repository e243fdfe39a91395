/**
 * What one request to one endpoint sends as `Authorization`, and what it sends next when that is refused.
 *
 *   start     what worked last (a token that is about to end is renewed first); without that, nothing
 *   refused   1. what another request has got meanwhile
 *             2. credentials, read anew from their source: for the challenge that worked last, then for each challenge
 *                of the answers so far, in their order
 *             3. an anonymous token, from each token server that was named
 *             4. no Authorization at all: the 401 to it may name other challenges
 *
 * Each way is tried once. With credentials, 3 and 4 are a last resort: only their success counts, since a registry
 * may say "not found" to an anonymous request. What was refused is remembered (`auth-memory.ts`), so that a wrong password is not
 * tried at every request.
 */
import type { FoundCredentials } from '../../config/credentials/auth-lookup.ts';
import { EntrepotError } from '../../errors.ts';
import type { SingleFlight } from '../../lib/flow/single-flight.ts';
import type { Outcome } from '../outcome.ts';
import type { Authorization, Kept } from './auth-memory.ts';
import { type AuthPlace, type AuthSubject, subjectOf } from './auth-place.ts';
import { type Found, isSameChallenge, type Way, waysOf } from './auth-ways.ts';
import type { Challenge } from './challenge.ts';
import type { Credentials } from './credentials.ts';
import { buyToken, keptBasic, keptSigned, type PurchaseDeps, type Purchased } from './purchase.ts';
import { type Refusal, refusalOf } from './refusal-reason.ts';
import { basicHeader, secretsOf } from './tokens.ts';

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
   * Whether a "no" to a request without Authorization may be meant for anonymous requests only: there are credentials, and this
   * was not the reason to ask the registry for its challenge within the last half minute.
   */
  mayBeForAnonymous(): Promise<boolean>;
  /** The last try was not refused. */
  worked(): void;
}

export interface NegotiationDeps extends PurchaseDeps {
  readonly credentials: Credentials;
  readonly flights: SingleFlight<Purchased>;
  readonly tokenRealms: readonly string[];
  readonly searched: readonly string[];
}

/** Milliseconds until a renewal that failed is tried again. Meanwhile the old token is sent. */
const renewalPause = 10_000;
/** Requests to the registry for one request of a client. */
const maxTries = 8;
/** Challenges that are answered: a hostile registry could name hundreds. */
const maxChallenges = 6;

/** How much a failure says about the cause, the least first. */
const weights = { challenged: 0, lastResort: 1, refused: 2, unreadable: 3 } as const;

/** `leaves` is aborted when the request is given up: token requests go on for other requests, but no later one waits for them. */
export function createNegotiation(place: AuthPlace, deps: NegotiationDeps, leaves: AbortSignal): Negotiation {
  return new Negotiating(place, deps, leaves);
}

class Negotiating implements Negotiation {
  readonly #deps: NegotiationDeps;
  readonly #leaves: AbortSignal;
  readonly #subject: AuthSubject;
  readonly #challenges: Challenge[] = [];
  /** Ways that were tried, and reasons that were noted. */
  readonly #tried = new Set<string>();
  /** Values that were sent. */
  readonly #sent = new Set<string | undefined>();
  /** Token servers that do not work now (`host`), and those that have refused our credentials (`host named`). */
  readonly #unusable = new Set<string>();
  /** Refusals other than 401 that new credentials were tried for. */
  readonly #doubtful = new Set<string>();
  #current: { readonly way: Way | undefined; readonly kept: Kept | undefined; readonly lastResort: boolean } =
    {
      way: undefined,
      kept: undefined,
      lastResort: false,
    };
  #found: Promise<Found> | undefined;
  #failure: { readonly outcome: Outcome<never>; readonly weight: number } | undefined;
  #tries = 0;

  constructor(place: AuthPlace, deps: NegotiationDeps, leaves: AbortSignal) {
    this.#deps = deps;
    this.#leaves = leaves;
    this.#subject = subjectOf(place, deps);
  }

  async start(): Promise<Outcome<Try>> {
    const { memory, clock } = this.#deps;
    const { key } = this.#subject;
    const kept = memory.kept(key);
    if (!kept) return this.#send(undefined);
    const { challenge, scope, credentials } = kept.authorization;
    this.#challenges.push(challenge);
    if (clock.monotonic() < kept.renewAt) return this.#send(kept);
    const isAlike = (way: Way) => way.scope === scope && (!way.lastResort || !credentials);
    const renewed = await this.#takeFirst(await this.#find(), isAlike);
    if (renewed) return renewed;
    // Another request may have renewed it, or dropped it, while this one was trying.
    const latest = memory.kept(key);
    if (latest && latest !== kept) return this.#send(latest);
    if (latest) memory.keep(key, { ...kept, renewAt: clock.monotonic() + renewalPause });
    return this.#send(kept);
  }

  async next(refusal: Refusal): Promise<Outcome<Try>> {
    const { memory, clock } = this.#deps;
    const { key } = this.#subject;
    this.#tries += 1;
    for (const challenge of refusal.challenges) {
      if (this.#challenges.length === maxChallenges) break;
      if (!this.#challenges.some((known) => isSameChallenge(known, challenge)))
        this.#challenges.push(challenge);
    }
    const all = await this.#find();
    await this.#learn(refusal, all);
    const over = this.#failure?.outcome ?? { kind: 'unauthorized', reason: `HTTP ${refusal.status}` };
    // A host may refuse one content for good. What did not help is not done for each request for it.
    const isKnown =
      refusal.status !== 401 && memory.lately(key, this.#refusedAs(refusal), all.credentials) !== undefined;
    if (isKnown || this.#tries >= maxTries) return over;

    const kept = memory.kept(key);
    const isNew = kept && clock.monotonic() < kept.renewAt && !this.#sent.has(kept.authorization.header);
    if (isNew) return this.#send(kept);
    const taken = await this.#takeFirst(all, () => true);
    if (taken) return taken;
    if (!this.#sent.has(undefined)) return this.#send(undefined, undefined, true);
    const said = this.#failure?.outcome ?? over;
    for (const what of this.#doubtful) memory.refuse(key, what, all.credentials, said);
    return said;
  }

  async mayBeForAnonymous(): Promise<boolean> {
    const { memory } = this.#deps;
    const { key, place } = this.#subject;
    if (!place.mayHaveCredentials || this.#tries > 0) return false;
    if (memory.lately(key, 'anonymous', undefined)) return false;
    memory.refuse(key, 'anonymous', undefined, { kind: 'unauthorized', reason: 'no challenge' });
    const { credentials } = await this.#find();
    return credentials !== undefined;
  }

  worked(): void {
    const { memory } = this.#deps;
    const { key } = this.#subject;
    const { kept, lastResort } = this.#current;
    if (!lastResort) return;
    const last = memory.kept(key);
    if (kept) memory.keep(key, kept);
    else if (last) memory.drop(key, last.authorization.header);
  }

  #send(kept: Kept | undefined, way?: Way, lastResort = way?.lastResort ?? false): Outcome<Try> {
    this.#current = { way, kept, lastResort };
    this.#sent.add(kept?.authorization.header);
    return { kind: 'ok', value: { authorization: kept?.authorization, lastResort } };
  }

  /** Of failures of equal weight, the last one is reported. */
  #note(outcome: Outcome<never>, weight: number): void {
    if (!this.#failure || weight >= this.#failure.weight) this.#failure = { outcome, weight };
  }

  /** Reads the credentials from their source, once for each request. */
  #find(): Promise<Found> {
    this.#found ??= this.#lookUp();
    return this.#found;
  }

  async #lookUp(): Promise<Found> {
    const { endpoint, mayHaveCredentials } = this.#subject.place;
    if (!mayHaveCredentials) return { credentials: undefined, problem: undefined };
    const isSigned = this.#deps.credentials.isSigned(endpoint);
    try {
      return { credentials: await this.#deps.credentials.find(endpoint), problem: undefined, isSigned };
    } catch (error) {
      if (!(error instanceof EntrepotError)) throw error;
      this.#note({ kind: 'unauthorized', reason: error.located }, weights.unreadable);
      return { credentials: undefined, problem: error.located, isSigned };
    }
  }

  /** Sends the first of the wanted ways that gives something new to send. */
  async #takeFirst(all: Found, isWanted: (way: Way) => boolean): Promise<Outcome<Try> | undefined> {
    const { ways, refused } = waysOf(this.#challenges, all, this.#subject);
    for (const reason of refused) {
      if (!this.#tried.has(reason)) this.#note({ kind: 'unauthorized', reason }, weights.refused);
      this.#tried.add(reason);
    }
    for (const way of ways) {
      const kept = isWanted(way) ? await this.#take(way, all.credentials) : undefined;
      if (kept) return this.#send(kept, way);
    }
    return undefined;
  }

  async #take(way: Way, all: FoundCredentials | undefined): Promise<Kept | undefined> {
    const { memory, flights } = this.#deps;
    const { key } = this.#subject;
    if (this.#tried.has(way.what)) return undefined;
    this.#tried.add(way.what);
    const weight = way.lastResort ? weights.lastResort : weights.refused;
    const lately = memory.lately(key, way.what, all);
    if (lately) {
      this.#note(lately, weight);
      return undefined;
    }
    const { realm, credentials, challenge } = way;
    if (credentials?.kind === 'signingKey') return keptSigned(way, credentials, this.#subject, this.#deps);
    if (!realm) return credentials?.kind === 'basic' ? this.#takeBasic(challenge, credentials) : undefined;
    const { host } = realm.url;
    if (this.#unusable.has(host) || (credentials && this.#unusable.has(`${host} named`))) return undefined;
    const buy = () => buyToken({ ...way, realm }, all, this.#subject, this.#deps);
    // A request with credentials that have just been renewed must not share the refusal of the old ones.
    const flight = [key, way.what, ...secretsOf(credentials)].join(' ');
    const got = await flights.run(flight, buy, this.#leaves);
    if (got.kind === 'ok') return this.#sent.has(got.value.authorization.header) ? undefined : got.value;
    this.#note(got, weight);
    if (got.kind !== 'unauthorized') this.#unusable.add(host);
    else if (credentials && got.status === 401) this.#unusable.add(`${host} named`);
    return undefined;
  }

  #takeBasic(challenge: Challenge, credentials: FoundCredentials & { kind: 'basic' }): Kept | undefined {
    const kept = keptBasic(challenge, credentials);
    if (this.#sent.has(kept.authorization.header)) return undefined;
    this.#deps.memory.keep(this.#subject.key, kept);
    return kept;
  }

  /** Notes what was refused, so that it is not tried again at once. */
  async #learn(refusal: Refusal, all: Found): Promise<void> {
    const { memory } = this.#deps;
    const { key, noneFound } = this.#subject;
    const { way, kept, lastResort } = this.#current;
    const context = { challenges: this.#challenges, found: all, noneFound, now: this.#deps.clock.now() };
    const refused = await refusalOf(refusal, kept?.authorization, context);
    if (!kept) return this.#note(refused, weights.challenged);
    this.#note(refused, lastResort ? weights.lastResort : weights.refused);
    if (refusal.status !== 401) {
      if (!lastResort) this.#doubtful.add(this.#refusedAs(refusal));
      return;
    }
    const { header } = kept.authorization;
    memory.drop(key, header);
    const { credentials } = all;
    const isOurs = credentials?.kind === 'basic' && basicHeader(credentials) === header;
    if (isOurs) memory.refuse(key, 'basic', credentials, refused);
    else if (way?.lastResort || way?.credentials?.kind === 'signingKey')
      memory.refuse(key, way.what, credentials, refused);
  }

  #refusedAs({ status }: Refusal): string {
    return `${this.#subject.place.method} ${status}`;
  }
}
