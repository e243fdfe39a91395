import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import {
  type BundleContents,
  bundleId,
  parseBundleManifest,
  printBundleManifest,
} from '../../../src/airgap/bundle-manifest.ts';
import { contentPath, parseContentPath, volumeName } from '../../../src/airgap/bundle-names.ts';
import { EntrepotError } from '../../../src/errors.ts';
import type { Digest } from '../../../src/oci/digest.ts';
import { mediaTypes } from '../../../src/oci/media-types.ts';
import type { Tag } from '../../../src/oci/reference.ts';

const digest = (letter: string) => `sha256:${letter.repeat(64)}` as Digest;

const contents: BundleContents = {
  volumes: 2,
  base: [digest('9')],
  refs: [
    { name: 'quay.io/team/app', tag: '1.0' as Tag, digest: digest('a') },
    { name: 'quay.io/team/app', tag: null, digest: digest('f') },
  ],
  blobs: [
    { digest: digest('a'), size: 700, mediaType: mediaTypes.ociManifest, parts: [{ volume: 1, size: 700 }] },
    {
      digest: digest('b'),
      size: 9000,
      parts: [
        { volume: 1, size: 5000 },
        { volume: 2, size: 4000 },
      ],
    },
  ],
  omitted: [
    { digest: digest('e'), why: 'platform' },
    { digest: digest('f'), why: 'base' },
  ],
};

const file = 'x.0001.tar';
const printed = () => Buffer.from(printBundleManifest(contents, bundleId(contents), 1));

interface Json {
  [key: string]: unknown;
  refs: Record<string, unknown>[];
  blobs: (Record<string, unknown> & { parts: Record<string, unknown>[] })[];
  omitted: Record<string, unknown>[];
}

/** The printed file with one change, and the id that it had. */
function changed(change: (json: Json) => void): Uint8Array {
  const json: Json = JSON.parse(printed().toString());
  change(json);
  return Buffer.from(JSON.stringify(json));
}

/** `path` says where `value` goes: `blobs.0.size`. */
function withValue(path: string, value: unknown): Uint8Array {
  return changed((json) => {
    const keys = path.split('.');
    const last = keys.pop() ?? '';
    const place = keys.reduce<Record<string, unknown>>((at, key) => at[key] as Record<string, unknown>, json);
    if (value === undefined) delete place[last];
    else place[last] = value;
  });
}

function refuses(bytes: Uint8Array, message: RegExp): void {
  assert.throws(
    () => parseBundleManifest(bytes, file),
    (error) =>
      error instanceof EntrepotError && error.code === 'BUNDLE_INVALID' && message.test(error.located),
  );
}

describe('the manifest of a bundle', () => {
  it('is read as it was printed', () => {
    const bundle = bundleId(contents);
    assert.deepEqual(parseBundleManifest(printed(), file), { bundle, volume: 1, ...contents });
    const later = { ...contents, created: '2026-01-02T03:04:05.000Z' };
    const bytes = printBundleManifest(later, bundleId(later), 2);
    assert.deepEqual(parseBundleManifest(bytes, file), { bundle: bundleId(later), volume: 2, ...later });
  });

  it('has the same bytes for the same contents, and one id in all volumes', () => {
    assert.deepEqual(printed(), printed());
    const [one, two] = [1, 2].map((volume) =>
      parseBundleManifest(printBundleManifest(contents, bundleId(contents), volume), file),
    );
    assert.equal(one?.bundle, two?.bundle);
    assert.notEqual(bundleId({ ...contents, base: [] }), bundleId(contents));
  });

  it('is refused with a way out if a later version wrote it', () => {
    refuses(
      changed((json) => {
        json.format = 2;
        json.other = true;
      }),
      /x\.0001\.tar: has format 2, and this version reads format 1: use the version/,
    );
    refuses(Buffer.from('{"imageLayoutVersion":"1.0.0"}'), /names no format/);
  });

  it('is refused if it was changed', () => {
    refuses(withValue('refs.0.tag', '2.0'), /bundle is not the digest of the rest/);
  });

  it('is refused with the place of what is wrong', () => {
    const cases: [string, unknown, RegExp][] = [
      ['extra', 1, /extra is no field/],
      ['volume', 3, /volume is not from 1 to 2/],
      ['volumes', 1e9, /volumes is not from 1 to 9999/],
      ['blobs.0.digest', 'sha256:../../x', /blobs\[0\]\.digest is no digest/],
      ['blobs.0.size', -1, /blobs\[0\]\.size is no whole number/],
      ['blobs.0.size', 1e12, /blobs\[0\]\.size is more than/],
      ['blobs.0.mediaType', 'text/html', /blobs\[0\]\.mediaType is the type of no manifest/],
      ['blobs.0.volume', 7, /blobs\[0\]\.volume is not from 1 to 2/],
      ['blobs.1.parts.1.size', 4001, /blobs\[1\]\.parts do not add up/],
      ['blobs.1.parts.1.volume', 1, /blobs\[1\]\.parts are not in volumes/],
      ['blobs.1.parts', [{ volume: 1, size: 9000 }], /blobs\[1\]\.parts has fewer than two/],
      ['blobs.1.volume', 1, /blobs\[1\]\.volume stands beside parts/],
      ['blobs.2', { digest: digest('a'), size: 1, volume: 1 }, /blobs has sha256:a+ twice/],
      ['refs.0.name', 'app', /refs\[0\]\.name is no registry\/repository/],
      ['refs.0.name', 'quay.io/../app', /refs\[0\]\.name is no registry\/repository/],
      ['refs.0.tag', '-', /refs\[0\]\.tag is no tag/],
      ['refs.0.tag', undefined, /refs\[0\]\.tag is no text/],
      ['refs.0.digest', digest('0'), /refs names sha256:0+, which is neither/],
      ['omitted.0.why', 'other', /omitted\[0\]\.why is not/],
      ['created', 'today', /created is no time/],
      ['base', 'x', /base is no list/],
      ['base', ['x'], /base is no digest/],
    ];
    for (const [path, value, message] of cases) refuses(withValue(path, value), message);
    refuses(Buffer.from('[]'), /names no format/);
    refuses(Buffer.from('x'), /is no JSON/);
  });

  it('is refused above its size, without being parsed', () => {
    refuses(Buffer.alloc(32 * 1024 * 1024 + 1, '['), /has more than \d+ bytes/);
    refuses(Buffer.from('['.repeat(100_000)), /nested/);
  });
});

describe('names in a bundle', () => {
  it('are numbered with four digits', () => {
    assert.equal(volumeName('site', 12), 'site.0012.tar');
    assert.equal(contentPath(digest('a')), `blobs/sha256/${'a'.repeat(64)}`);
    assert.equal(contentPath(digest('a'), 3), `blobs/sha256/${'a'.repeat(64)}.part-0003`);
  });

  it('are read as they were made, and nothing else is read', () => {
    for (const part of [undefined, 1, 9999])
      assert.deepEqual(parseContentPath(contentPath(digest('a'), part)), { digest: digest('a'), part });
    const hex = 'a'.repeat(64);
    for (const wrong of [
      `blobs/sha256/${hex}.part-0000`,
      `blobs/sha256/${hex}.part-1`,
      `blobs/sha256/../${hex}`,
      `./blobs/sha256/${hex}`,
      `/blobs/sha256/${hex}`,
      `blobs/md5/${hex}`,
      `blobs/sha256/${hex.slice(1)}`,
      `blobs/sha256/${hex}\n`,
      'index.json',
    ])
      assert.equal(parseContentPath(wrong), undefined, wrong);
  });
});
