/** The objects of a cluster that say where images come from, as they are written. */
import type { Origin, OriginObject } from '../registries-conf/registries.ts';

/** A place in an object. */
export interface ObjectOrigin extends Origin {
  readonly object: OriginObject;
}

/** A text and its place. */
export interface Placed {
  readonly text: string;
  readonly origin: ObjectOrigin;
}

/** `origin` is the line on which the object begins. */
export type PolicyObject = MirrorSet | ImageConfig;

interface ObjectOf<Kind extends string> {
  readonly kind: Kind;
  /** Empty if it has none. */
  readonly name: string;
  readonly origin: ObjectOrigin;
}

/** ImageContentSourcePolicy, ImageDigestMirrorSet and ImageTagMirrorSet. */
export interface MirrorSet
  extends ObjectOf<'ImageContentSourcePolicy' | 'ImageDigestMirrorSet' | 'ImageTagMirrorSet'> {
  readonly lists: readonly MirrorList[];
}

/** One source with its mirrors, in order of preference. */
export interface MirrorList {
  readonly source: Placed;
  readonly mirrors: readonly Placed[];
  /** Undefined: `AllowContactingSource`. */
  readonly policy: (Placed & { readonly text: MirrorSourcePolicy }) | undefined;
}

export type MirrorSourcePolicy = 'AllowContactingSource' | 'NeverContactSource';

/** `registrySources` of the Image of config.openshift.io. Undefined: the list is absent. */
export interface ImageConfig extends ObjectOf<'Image'> {
  readonly insecure: readonly Placed[] | undefined;
  readonly blocked: readonly Placed[] | undefined;
  readonly allowed: readonly Placed[] | undefined;
  readonly search: readonly Placed[] | undefined;
}
