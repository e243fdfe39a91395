/** Pages of referrers that are here. */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { describe, it } from 'node:test';
import { answerReferrers } from '../../../src/http/answers/list-answer.ts';
import { type Digest, parseDigest } from '../../../src/oci/digest.ts';
import { mediaTypes } from '../../../src/oci/media-types.ts';
import { createHostedReferrers, type HostedReferrers } from '../../../src/pull/hosted/hosted-referrers.ts';
import type { Pull, ReferrersContent } from '../../../src/pull/pull.ts';
import type { ReferrersTarget } from '../../../src/routing/target.ts';
import { imageName } from '../push/push-world.ts';

function digestOf(text: string): Digest {
  return parseDigest(`sha256:${createHash('sha256').update(text).digest('hex')}`)!;
}

const subject = digestOf('subject');
const target: ReferrersTarget = { kind: 'referrers', image: imageName('a.test/b'), subject };

/** `count` referrers, every third an SBOM, the rest signatures. */
function attached(count: number) {
  const manifests = Array.from({ length: count }, (_, n) => {
    const json = {
      ...{ schemaVersion: 2, mediaType: mediaTypes.ociManifest },
      artifactType: n % 3 === 0 ? 'a/sbom' : 'a/signature',
      config: { mediaType: 'a/config', digest: subject, size: n },
      layers: [],
      subject: { mediaType: mediaTypes.ociManifest, digest: subject, size: 7 },
    };
    const bytes = Buffer.from(JSON.stringify(json));
    return { digest: digestOf(bytes.toString()), mediaType: mediaTypes.ociManifest, bytes };
  });
  const digests = manifests.map(({ digest }) => digest);
  const referrers = createHostedReferrers(
    {
      cache: {
        tag: async () => undefined,
        manifest: async (_, digest) => manifests.find((one) => one.digest === digest),
      },
      content: {
        async referrersOf(_image, _subject, after, limit) {
          const from = after === undefined ? 0 : digests.indexOf(after) + 1;
          return digests.slice(from, from + limit);
        },
      },
    },
    { pageSize: 2 },
  );
  return { digests, referrers };
}

/** Those that are here, without any of endpoints. */
const only =
  (referrers: HostedReferrers) =>
  async (one: ReferrersTarget): Promise<ReferrersContent> =>
    (await referrers.merged(one, undefined)).value;

const digestsIn = ({ bytes }: ReferrersContent): readonly string[] =>
  (JSON.parse(Buffer.from(bytes).toString()) as { manifests: { digest: string }[] }).manifests.map(
    ({ digest }) => digest,
  );

async function allPages(
  ask: (target: ReferrersTarget) => Promise<ReferrersContent | undefined>,
  from = target,
) {
  const pages: (readonly string[])[] = [];
  for (let after: Digest | undefined, isFirst = true; isFirst || after; isFirst = false) {
    const value = await ask({ ...from, ...(after && { after }) });
    assert.ok(value);
    pages.push(digestsIn(value));
    after = value.next;
  }
  return pages;
}

describe('referrers that are here', () => {
  it('come in pages, each of them once, and the last page names no next one', async () => {
    for (const count of [0, 1, 2, 3, 4, 5]) {
      const { digests, referrers } = attached(count);
      const pages = await allPages(only(referrers));
      assert.equal(pages.length, Math.max(1, Math.ceil(count / 2)));
      assert.deepEqual(pages.flat(), digests);
    }
  });

  it('of one type come in pages that may have fewer', async () => {
    const { digests, referrers } = attached(7);
    const pages = await allPages(only(referrers), { ...target, artifactType: 'a/sbom' });
    assert.deepEqual(pages.flat(), [digests[0], digests[3], digests[6]]);
  });

  it('follow those of the endpoints, which are on the first page and not given again', async () => {
    const { digests, referrers } = attached(5);
    const manifests = [digestOf('theirs'), digests[4]].map((digest) => ({
      digest,
      mediaType: 'a/b',
      size: 1,
    }));
    const theirs = { bytes: Buffer.from(JSON.stringify({ manifests })), filtered: false };
    const pages = await allPages(async (one) => (await referrers.merged(one, theirs)).value);
    assert.deepEqual(pages[0], [digestOf('theirs'), digests[4], digests[0], digests[1]]);
    assert.deepEqual(pages.slice(1), [[digests[2], digests[3]], []]);
  });

  it('are linked to the next page in the form in which the client asked', async () => {
    const { digests, referrers } = attached(3);
    const pull = {
      referrers: async (one: ReferrersTarget) => ({
        ...{ found: true, cache: 'hit', trail: [] },
        value: await only(referrers)(one),
      }),
    } as unknown as Pull;
    const rawPath = `/v2/b/referrers/${subject}`;
    const addressed = { rawPath, name: 'b', namespace: 'a.test:5000' };
    const first = await answerReferrers(pull, { ...target, artifactType: 'a/sbom' }, addressed);
    const last = encodeURIComponent(digests[1]!);
    assert.equal(
      first.headers.Link,
      `<${rawPath}?artifactType=a%2Fsbom&last=${last}&ns=a.test%3A5000>; rel="next"`,
    );
    const second = await answerReferrers(pull, { ...target, after: digests[1]! }, addressed);
    assert.equal(second.headers.Link, undefined);
  });
});
