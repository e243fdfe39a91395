/**
 * Blobs. From the store where this image has a link to it; else by its transfer, which is joined or started.
 *
 * A blob that is here for another image only is asked for with a HEAD at this image's own endpoints: if they have it, the image
 * is linked and no bytes are fetched. The same HEAD comes before the transfer of another image is joined; otherwise the image
 * starts its own. Nothing else makes a link: anybody can push a manifest that names a foreign blob.
 */
import type { Cache, KnownDescriptor } from '../cache/cache.ts';
import type { OpenRange } from '../lib/bytes/byte-range.ts';
import type { ByteStream } from '../lib/bytes/byte-stream.ts';
import type { Clock } from '../lib/clock.ts';
import type { Digest } from '../oci/digest.ts';
import type { Reference } from '../oci/reference.ts';
import type { BlobTarget, ImageName, RangeSpec } from '../routing/target.ts';
import type { ByteSource } from '../transfer/fetch/byte-source.ts';
import type { OpenedTransfer, Transfers } from '../transfer/transfers.ts';
import { endpointKey } from '../upstream/endpoint.ts';
import type { UpstreamInForce } from '../upstream/upstream-in-force.ts';
import { createBlobSource } from './blob-source.ts';
import type { RememberedTrails } from './negative-cache.ts';
import type { BlobContent, BlobHead, Pulled } from './pull.ts';

export interface PullBlobDeps {
  readonly cache: Cache;
  readonly inForce: UpstreamInForce;
  readonly transfers: Transfers;
  readonly clock: Clock;
  readonly absences: RememberedTrails;
  /** ms without an answer after which a blob of known size is begun all the same: containerd waits 30 s for headers. */
  readonly headersBy: number;
}

const resultOf = { started: 'fetched', joined: 'joined', verified: 'hit' } as const;

export interface PullBlob {
  head(target: BlobTarget): Promise<Pulled<BlobHead>>;
  get(target: BlobTarget): Promise<Pulled<BlobContent>>;
}

export function createPullBlob(deps: PullBlobDeps): PullBlob {
  const { cache, inForce, transfers, clock, absences } = deps;

  async function head({ image, digest }: BlobTarget): Promise<Pulled<BlobHead>> {
    const stored = await cache.blob(image.name, digest);
    if (stored) {
      stored.close();
      return { found: true, value: { digest, size: stored.size }, cache: 'hit', trail: [] };
    }
    const missing = absences.get(image.name, digest);
    if (missing) return { found: false, verdict: { kind: 'notFound' }, trail: missing };
    const described = cache.descriptor(image.name, digest);
    if (described && !described.isElsewhere) {
      return { found: true, value: { digest, size: described.size }, cache: 'hit', trail: [] };
    }
    const size = cache.isLinked(image.name, digest)
      ? transfers.announcedSizeTo(createBlobSource(deps, image, digest), digest)
      : undefined;
    if (size !== undefined) return { found: true, value: { digest, size }, cache: 'joined', trail: [] };
    return ask(image, digest, undefined);
  }

  async function get(target: BlobTarget): Promise<Pulled<BlobContent>> {
    const { image, digest } = target;
    const { name } = image;
    const stored = await fromStore(name, digest);
    if (stored) return stored;
    const missing = absences.get(name, digest);
    if (missing) return { found: false, verdict: { kind: 'notFound' }, trail: missing };

    const described = cache.descriptor(name, digest);
    const size = described?.size ?? (await sizeForSuffix(target, described));
    if (!cache.isLinked(name, digest) && cache.hasBlob(digest)) {
      const asked = await ask(image, digest, described);
      if (!asked.found) return asked;
      const linked = await fromStore(name, digest);
      if (linked) return { ...linked, cache: 'revalidated', trail: asked.trail };
    }
    const source = createBlobSource(deps, image, digest);
    let confirmed: number | undefined;
    const isLinked = cache.isLinked(name, digest);
    if (!(isLinked && transfers.isVerified(digest)) && transfers.couldJoin(source, digest)) {
      const answer = await headBlob(image, digest, described);
      if (answer.ok) {
        await cache.link(name, digest, endpointKey(answer.endpoint));
        const arrived = await fromStore(name, digest);
        if (arrived) return { ...arrived, cache: 'revalidated', trail: answer.trail };
        confirmed = answer.value.size;
      }
    }
    return open(target, source, described, { size, confirmed });
  }

  function headBlob(image: ImageName, digest: Digest, described: KnownDescriptor | undefined) {
    const asked = reference(image);
    return inForce.ask(
      { ...asked, digest },
      (upstream, signal) => upstream.headBlob(asked, digest, { prefer: described?.endpoint, signal }),
      {},
    );
  }

  /** HEAD at the image's own endpoints; what they have is linked. */
  async function ask(
    image: ImageName,
    digest: Digest,
    described: KnownDescriptor | undefined,
  ): Promise<Pulled<BlobHead>> {
    const answer = await headBlob(image, digest, described);
    const { trail } = answer;
    if (!answer.ok) {
      if (answer.verdict.kind === 'notFound') absences.add(image.name, digest, trail);
      return { found: false, verdict: answer.verdict, trail };
    }
    const endpoint = endpointKey(answer.endpoint);
    await cache.link(image.name, digest, endpoint);
    return { found: true, value: { digest, size: answer.value.size }, cache: 'fetched', endpoint, trail };
  }

  async function fromStore(
    name: string,
    digest: Digest,
  ): Promise<(Pulled<BlobContent> & { found: true }) | undefined> {
    const stored = await cache.blob(name, digest);
    if (!stored) return undefined;
    const value: BlobContent = {
      digest,
      size: stored.size,
      open: (start, end) => stored.stream(start, end ?? stored.size),
      close: () => stored.close(),
    };
    return { found: true, value, cache: 'hit', trail: [] };
  }

  /** The last bytes of a blob of unknown size can only be found by asking for the size. */
  async function sizeForSuffix(
    { image, digest, ranges }: BlobTarget,
    described: KnownDescriptor | undefined,
  ): Promise<number | undefined> {
    const first = ranges?.[0];
    if (!first || !('suffix' in first)) return undefined;
    const asked = await ask(image, digest, described);
    return asked.found ? asked.value.size : undefined;
  }

  async function open(
    { image, digest, ranges }: BlobTarget,
    source: ByteSource,
    described: KnownDescriptor | undefined,
    { size, confirmed }: { readonly size: number | undefined; readonly confirmed: number | undefined },
  ): Promise<Pulled<BlobContent>> {
    const span = firstSpan(ranges, size);
    const opening = transfers.open({
      digest,
      source,
      size: described?.size,
      confirmed,
      isLinked: cache.isLinked(image.name, digest),
      ...span,
      prefer: described?.endpoint,
    });
    const admitted = opening.then(async (opened): Promise<OpenedTransfer> => {
      if (!opened.ok && opened.verdict.kind === 'notFound') absences.add(image.name, digest, opened.trail);
      if (!opened.ok || cache.isLinked(image.name, digest)) return opened;
      // All of it was left by an earlier run, whose link is no longer known.
      let isAdmitted = false;
      try {
        const asked = await ask(image, digest, described);
        isAdmitted = asked.found;
        return asked.found ? opened : { ok: false, verdict: asked.verdict, trail: asked.trail };
      } finally {
        if (!isAdmitted) opened.close();
      }
    });
    const early = described && (await isOverdue(admitted));
    if (early)
      return {
        found: true,
        value: lateContent(digest, described.size, admitted),
        cache: 'fetched',
        trail: [],
      };

    const opened = await admitted;
    const { trail } = opened;
    if (!opened.ok) return { found: false, verdict: opened.verdict, trail };
    const endpoint = opened.endpoint && endpointKey(opened.endpoint);
    const value: BlobContent = {
      digest,
      size: opened.size,
      open: (start, end) => opened.reader(start, end),
      close: () => opened.close(),
    };
    return { found: true, value, cache: resultOf[opened.how], endpoint, trail };
  }

  function isOverdue(opening: Promise<unknown>): Promise<boolean> {
    return new Promise((resolve) => {
      const timer = clock.after(deps.headersBy, () => resolve(true));
      const settle = (): void => {
        timer.cancel();
        resolve(false);
      };
      opening.then(settle, settle);
    });
  }

  return { head, get };
}

function reference({ registry, repository }: ImageName): Reference {
  return { registry, repository };
}

/** The bytes that will be read first, so that they are fetched first. */
function firstSpan(ranges: readonly RangeSpec[] | undefined, size: number | undefined): OpenRange {
  const first = ranges?.[0];
  if (!first) return { start: 0 };
  if ('suffix' in first) return { start: size === undefined ? 0 : Math.max(0, size - first.suffix) };
  // Past the end there is nothing to fetch; the size is enough for the answer.
  if (size !== undefined && first.start >= size) return { start: size, end: size };
  return {
    start: first.start,
    ...(first.end !== undefined && { end: Math.min(first.end, size ?? first.end) }),
  };
}

/** A blob whose answer has begun before anybody gave a byte: a failure now breaks the connection. */
function lateContent(digest: Digest, size: number, opening: Promise<OpenedTransfer>): BlobContent {
  return {
    digest,
    size,
    open(start, end) {
      let stream: ByteStream | undefined;
      let closed = false;
      return {
        async next() {
          const opened = await opening;
          if (!opened.ok) throw new Error(`no endpoint gives ${digest}`);
          if (closed) return undefined;
          if (opened.size !== size) throw new Error(`${digest} has ${opened.size} bytes, not ${size}`);
          stream ??= opened.reader(start, end);
          return stream.next();
        },
        close() {
          closed = true;
          stream?.close();
        },
      };
    },
    close() {
      opening.then(
        (opened) => opened.ok && opened.close(),
        () => {},
      );
    },
  };
}
