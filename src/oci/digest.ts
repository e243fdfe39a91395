/**
 * Content digests: `algorithm:hex`, as in the OCI image specification (descriptor.md, "Digests") and go-digest, which
 * knows these three algorithms and accepts lower-case hex of exactly the right length only.
 */
declare const digestBrand: unique symbol;

/** A checked digest, such as `sha256:e3b0...`. */
export type Digest = string & { readonly [digestBrand]: true };

/** In the order that the index keeps them by. */
export const digestAlgorithms = ['sha256', 'sha384', 'sha512'] as const;

export type DigestAlgorithm = (typeof digestAlgorithms)[number];

const digestForm = /^(?:sha256:[a-f0-9]{64}|sha384:[a-f0-9]{96}|sha512:[a-f0-9]{128})$/;

/** The digest in `text`, or undefined where it is none. */
export function parseDigest(text: string): Digest | undefined {
  return digestForm.test(text) ? (text as Digest) : undefined;
}

export function digestAlgorithm(digest: Digest): DigestAlgorithm {
  return digest.slice(0, 6) as DigestAlgorithm;
}

export function digestHex(digest: Digest): string {
  return digest.slice(7);
}
