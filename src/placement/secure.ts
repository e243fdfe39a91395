/**
 * A push is answered once its content is in enough buckets. The nearest ones that work are taken first; one that takes long gets the next
 * one beside it, and one that fails is replaced by it.
 *
 * What the index says of a bucket is asked of it again after a while, since an operator or a rule of the bucket may have removed it.
 *
 *   eu --10 s, no end yet--> us beside it --the first end counts--> 201; the other one goes on behind
 */
import type { Copies } from '../cache/copies.ts';
import type { Placement, PlacementStore } from '../cache/index/placements/placement-store.ts';
import type { Clock, Timer } from '../lib/clock.ts';
import { withDeadline } from '../lib/flow/deadline.ts';
import { reasonOf } from '../lib/thrown.ts';
import type { Digest } from '../oci/digest.ts';
import { contentKey } from '../stores/content-key.ts';
import { bytesSource, type ObjectSource } from '../stores/object-store.ts';
import type { Log } from '../telemetry/log.ts';
import type { Bucket } from './bucket.ts';
import { lookAfter, type PutContent } from './put-content.ts';

export interface SecureDeps {
  /** Nearest first. */
  readonly buckets: readonly Bucket[];
  readonly placements: PlacementStore;
  readonly copies: Pick<Copies, 'open'>;
  readonly put: PutContent;
  /** Another replica may remove what is there: what this one relies on is looked for once more after a while. */
  readonly isSwept: (bucket: Bucket) => boolean;
  readonly clock: Clock;
  readonly log: Pick<Log, 'warn'>;
}

/** `retryAfter`: seconds. */
export type Secured =
  | { readonly ok: true }
  | { readonly ok: false; readonly reason: string; readonly retryAfter: number };

export interface Secure {
  /** The buckets for the image. */
  count(image: string): number;
  /** A content that is stored here, or was pushed to another replica. `copies`: buckets that have to have it. */
  stored(image: string, digest: Digest, copies: number): Promise<Secured>;
  bytes(image: string, digest: Digest, bytes: Uint8Array, copies: number): Promise<Secured>;
}

/** ms after which the next bucket is asked beside one, and the bytes of a content that add a ms. */
const hedgeTime = 10_000;
const hedgeBytes = 10_000;
/** ms for which a placement is believed without a look, of one look, and until the next one after one that failed. */
const sureFor = 600_000;
const lookTime = 1000;
const lookAgain = 30_000;
/** Seconds. */
const retryAfter = 30;

/** Both functions reject with what the index says, and with bugs. */
export function createSecure(deps: SecureDeps): Secure {
  const { placements, copies: stored, clock, log } = deps;

  /** Of buckets that have not answered a look (monotonic ms): a push of many layers waits for one of them once. */
  const notBefore = new Map<string, number>();

  /** A placement is a hint. Only an answer that the object is absent counts against it. */
  async function isGone({ name, store }: Bucket, { digest, size }: Placement): Promise<boolean> {
    try {
      const found = await withDeadline(clock, lookTime, (late) => store.head(contentKey(digest), late));
      if (found) return false;
    } catch (error) {
      notBefore.set(name, clock.monotonic() + lookAgain);
      const fields = { event: 'placement.lookFailed', store: name, reason: reasonOf(error) };
      log.warn(fields, 'a bucket was not looked into: it is believed to have what it had');
      return false;
    }
    await placements.repair({ digest, store: name }, 'wanted', size, clock.now());
    return true;
  }

  async function havingOf(meant: readonly Bucket[], digest: Digest): Promise<ReadonlySet<string>> {
    const known = (await placements.of(digest)).filter(({ state }) => state === 'placed');
    const found = await Promise.all(
      known.map(async (placement) => {
        const bucket = meant.find(({ name }) => name === placement.store);
        const mayLook = clock.monotonic() >= (notBefore.get(placement.store) ?? 0);
        const isSure = !mayLook || clock.now() - placement.since < sureFor;
        if (!bucket || (!isSure && (await isGone(bucket, placement)))) return [];
        if (deps.isSwept(bucket)) await placements.lookAt(placement, clock.now() + lookAfter);
        return [bucket.name];
      }),
    );
    return new Set(found.flat());
  }

  async function missing(image: string, digest: Digest, wanted: number) {
    const meant = deps.buckets.filter((bucket) => bucket.isFor([image]));
    const having = await havingOf(meant, digest);
    const left = meant.filter(({ name }) => !having.has(name));
    // One that fails is tried all the same, after the others.
    const inOrder = left.toSorted((a, b) => Number(a.pausedFor() > 0) - Number(b.pausedFor() > 0));
    const there = meant.length - left.length;
    return { buckets: inOrder, number: Math.max(0, wanted - there), there };
  }

  /** What is not here may have been pushed to another replica, which has put it there. */
  async function lookFor(image: string, digest: Digest): Promise<void> {
    const known = await placements.of(digest);
    const isPlaced = (name: string) => known.some(({ store, state }) => store === name && state === 'placed');
    const meant = deps.buckets.filter((bucket) => bucket.isFor([image]) && !isPlaced(bucket.name));
    await Promise.all(
      meant.map(async ({ name, store }) => {
        const look = withDeadline(clock, lookTime, (late) => store.head(contentKey(digest), late));
        const found = await look.catch(() => undefined);
        if (found) await placements.placed({ digest, store: name }, found.size, clock.now());
      }),
    );
  }

  async function secure(
    { buckets, number, there }: Awaited<ReturnType<typeof missing>>,
    digest: Digest,
    source: ObjectSource,
    over: () => void,
  ): Promise<Secured> {
    const wait = hedgeTime + source.size / hedgeBytes;
    const put = (bucket: Bucket) => deps.put(bucket, digest, source);
    const { reached, reasons } = await firstOf({ buckets, number, wait, put, over }, deps.clock);
    if (reached >= number) return { ok: true };
    const reason = `the content is in ${there + reached} buckets and has to be in ${there + number}`;
    return { ok: false, reason: [reason, ...reasons].join('; '), retryAfter };
  }

  return {
    count: (image) => deps.buckets.filter((bucket) => bucket.isFor([image])).length,
    async stored(image, digest, wanted) {
      const plan = await missing(image, digest, wanted);
      if (plan.number === 0) return { ok: true };
      const copy = await stored.open(digest);
      if (!copy) {
        await lookFor(image, digest);
        const { number } = await missing(image, digest, wanted);
        return number === 0
          ? { ok: true }
          : { ok: false, reason: 'it is not here, and not in enough buckets', retryAfter };
      }
      // It stays open for a bucket that takes longer than the others.
      return secure(plan, digest, copy, () => copy.close());
    },
    async bytes(image, digest, bytes, wanted) {
      const plan = await missing(image, digest, wanted);
      return plan.number === 0 ? { ok: true } : secure(plan, digest, bytesSource(bytes), () => {});
    },
  };
}

interface Race {
  readonly buckets: readonly Bucket[];
  /** Buckets that are wanted. */
  readonly number: number;
  /** ms after which one more is begun. */
  readonly wait: number;
  readonly put: (bucket: Bucket) => Promise<void>;
  /** Called once all that was begun is over. */
  readonly over: () => void;
}

/** Puts into as many buckets as are wanted, or tells why not. What is under way then goes on. */
function firstOf(
  { buckets, number, wait, put, over }: Race,
  clock: Clock,
): Promise<{ reached: number; reasons: readonly string[] }> {
  const { promise, resolve } = Promise.withResolvers<{ reached: number; reasons: readonly string[] }>();
  const waiting = [...buckets];
  const reasons: string[] = [];
  let reached = 0;
  let running = 0;
  let timer: Timer | undefined;

  function start(): void {
    const bucket = waiting.shift();
    if (!bucket) return;
    running += 1;
    put(bucket)
      .then(
        () => {
          reached += 1;
        },
        (error: unknown) => {
          reasons.push(reasonOf(error));
          if (reached < number) start();
        },
      )
      .finally(() => {
        running -= 1;
        settle();
      });
  }

  function settle(): void {
    if (reached < number && running > 0) return;
    timer?.cancel();
    resolve({ reached, reasons });
    if (running === 0) over();
  }

  function hedge(): void {
    timer = clock.after(wait, () => {
      start();
      if (waiting.length > 0) hedge();
    });
  }

  for (let at = 0; at < number; at += 1) start();
  if (running === 0) settle();
  else if (waiting.length > 0) hedge();
  return promise;
}
