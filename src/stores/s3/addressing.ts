/** Where the objects of a bucket are: the bucket in the host name (AWS), or in the path (most others). */
import { encodePath, queryOf } from './signature.ts';

export interface BucketPlace {
  readonly bucket: string;
  /** Undefined: AWS in `region`. */
  readonly endpoint: string | undefined;
  readonly region: string;
  /** Before each key; empty or with a slash at its end. */
  readonly prefix: string;
  /** The bucket is the first component of the path. Default: with an endpoint of its own, or with a dot in the name of the bucket. */
  readonly pathStyle: boolean | undefined;
}

export interface Addressing {
  /** The URL of a key of the store; without a key, of the bucket. */
  url(key?: string, query?: readonly (readonly [string, string])[]): URL;
  /** The key in the bucket. */
  keyIn(key: string): string;
  /** The key of the store; undefined for one outside the prefix. */
  keyOf(keyInBucket: string): string | undefined;
}

/** `endpoint` is an origin without a path. */
export function createAddressing(place: BucketPlace): Addressing {
  const { bucket, region, prefix } = place;
  const origin = new URL(place.endpoint ?? awsEndpoint('s3', region));
  const inPath = place.pathStyle ?? (place.endpoint !== undefined || bucket.includes('.'));
  const base = inPath ? origin : new URL(`${origin.protocol}//${bucket}.${origin.host}`);
  const keyIn = (key: string) => `${prefix}${key}`;

  return {
    keyIn,
    keyOf: (keyInBucket) => (keyInBucket.startsWith(prefix) ? keyInBucket.slice(prefix.length) : undefined),
    url(key, query = []) {
      const path = [...(inPath ? [bucket] : []), ...(key === undefined ? [] : [keyIn(key)])].join('/');
      const url = new URL(`${base.origin}/${encodePath(path)}`);
      url.search = queryOf(query);
      return url;
    },
  };
}

/** `https://s3.eu-central-1.amazonaws.com`. */
export function awsEndpoint(service: string, region: string): string {
  const domain = region.startsWith('cn-') ? 'amazonaws.com.cn' : 'amazonaws.com';
  return `https://${service}.${region}.${domain}`;
}
