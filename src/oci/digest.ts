/**
 * Content digests: `algorithm:hex`, as in the OCI image specification (descriptor.md, "Digests") and go-digest. go-digest knows these
 * three algorithms, and accepts only lower-case hex of exactly the right length.
 */
declare const digestBrand: unique symbol;

/** A checked digest, such as `sha256:e3b0...`. */
export type Digest = string & { readonly [digestBrand]: true };

/** Their order is that of the numbers in the index of the cache: it must not change. */
export const digestAlgorithms = ['sha256', 'sha384', 'sha512'] as const;

export type DigestAlgorithm = (typeof digestAlgorithms)[number];

const digestForm = /^(?:sha256:[a-f0-9]{64}|sha384:[a-f0-9]{96}|sha512:[a-f0-9]{128})$/;

/** `text` as a digest; undefined if it is none. */
export function parseDigest(text: string): Digest | undefined {
  return digestForm.test(text) ? (text as Digest) : undefined;
}

/** `sha256` of `sha256:e3b0...`. */
export function digestAlgorithm(digest: Digest): DigestAlgorithm {
  return digest.slice(0, 6) as DigestAlgorithm;
}

/** `e3b0...` of `sha256:e3b0...`. */
export function digestHex(digest: Digest): string {
  return digest.slice(7);
}
