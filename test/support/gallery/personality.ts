/**
 * A personality says how one real registry differs from the plain one that `fake-registry.ts` is. A file of
 * `registries/` holds one personality: fields for what is common, `answer` for the rest, and the public documents and
 * reports that say so. `gallery-registry.ts` starts it.
 *
 * To add a registry: copy the file of the registry that is most like it, name your sources, add it to a list of
 * `registries.ts`, and run the tests with UPDATE_DOCS=1, which writes docs/registries.md.
 */
import type { OutgoingHttpHeaders } from 'node:http';
import type { Answer } from '../fake-registry-content.ts';
import type { SeenRequest } from '../fake-registry-journal.ts';

export interface Personality {
  readonly name: string;
  /** Public documents and reports: `owner/repository#number`, or a page of documentation. */
  readonly sources: readonly string[];
  /** What no public source states. */
  readonly assumed?: readonly string[];
  readonly access: Access;
  /** What an account that may not pull a repository gets. Undefined: everything may be pulled. */
  readonly forbidden?: Refusal;
  /** What a repository that does not exist gets. Default: 404 NAME_UNKNOWN. */
  readonly unknownRepository?: Refusal | 'asForbidden';
  readonly manifests?: ManifestStyle;
  readonly blobs?: BlobStyle;
  readonly tags?: TagListStyle;
  /**
   * `api`: the referrers API. `unfiltered`: the same, but `artifactType` is ignored. `tag`: no API, referrers are under the fallback tag.
   * `subject`: no API, and the fallback tag gives the subject itself.
   */
  readonly referrers?: 'api' | 'unfiltered' | 'tag' | 'subject';
  /** Headers of every answer, such as `ratelimit-remaining`. */
  readonly headers?: Readonly<Record<string, string>>;
  /** Another host that redirects every request to this registry is the one that clients know. */
  readonly vanity?: { readonly status: number };
  /** How it says that there were too many requests. Default: 429 TOOMANYREQUESTS without Retry-After. */
  readonly tooMany?: Refusal & { readonly headers?: OutgoingHttpHeaders };
  /** Changes what the fields cannot say. */
  readonly answer?: (answer: Answer, request: SeenRequest) => Answer;
  /** Sentences that are not true yet, by their column (or `all`), with what happens. Nothing is asserted for these. */
  readonly knownGaps?: Readonly<Record<string, string>>;
}

export interface Refusal {
  readonly status: number;
  /** Of the OCI error body. */
  readonly code?: string;
  readonly message?: string;
  /** Instead of the OCI error body. */
  readonly body?: string;
  /** Whether the challenge is sent along. Default: with 401. */
  readonly challenge?: boolean;
}

export type Access = { readonly kind: 'open' } | BasicAccess | BearerAccess;

export interface BasicAccess {
  readonly kind: 'basic';
  readonly realm: string;
  /** What a password gets that is no longer valid. */
  readonly ended: Refusal;
}

export interface BearerAccess {
  readonly kind: 'bearer';
  /** Whether an account is needed. Anonymous clients get a token otherwise. */
  readonly account: boolean;
  /** `docker login` keeps this instead of a password: the token server takes it by POST. */
  readonly identityToken?: string;
  /** Path of the token server, with a query if it has one. */
  readonly realm: string;
  readonly service?: string;
  /** What the challenge names. Default: `repository:NAME:pull`. */
  readonly scope?: string | 'none';
  /** A Basic challenge that is sent besides. */
  readonly basic?: { readonly realm: string; readonly order: 'before' | 'after' };
  /** `ping`: `/v2/` alone is guarded. Default: every request. */
  readonly asked?: 'always' | 'ping';
  /** Seconds that a token lives. */
  readonly lifetime: number;
  /** Whether the answer says so. Default true. */
  readonly tellsLifetime?: boolean;
  readonly field?: 'token' | 'access_token' | 'both';
  /** What the token server answers when the account may not pull, or does not exist. Default: a token that is worth nothing. */
  readonly refusesScope?: number;
  /** The token server redirects to another path of its own. */
  readonly redirect?: number;
  /** What a token gets that has ended. `otherRealm`: the challenge then names a token server that refuses. */
  readonly ended: Refusal & { readonly otherRealm?: boolean };
}

export interface ManifestStyle {
  /** Which answers have Docker-Content-Digest. Default `always`. */
  readonly digestHeader?: 'always' | 'never' | 'getOnly';
  /** No Content-Length. */
  readonly chunked?: boolean;
  /** What HEAD gets. Default: the same as GET. */
  readonly head?: Refusal | 'hangUp';
}

export interface BlobStyle {
  /**
   * Where the bytes are. `storage`: another host, with a signed URL that refuses an Authorization header.
   * `relative`: another path of the same host. Default: here.
   */
  readonly redirect?: { readonly to: 'storage' | 'relative'; readonly status: number };
  /** A signed URL is good for GET only: HEAD of it is 403. Default false. */
  readonly signedForGetOnly?: boolean;
  readonly digestHeader?: boolean;
  readonly contentType?: string;
  readonly chunked?: boolean;
  /** The first answer with a large blob ends after so many bytes, short of its Content-Length. */
  readonly cutOnce?: number;
  /** Whether Range is honoured. `marked200`: the part, with 200 and Content-Range. `ignoredUntilCached`: as a pull-through cache does it. */
  readonly ranges?: 'yes' | 'ignored' | 'marked200' | 'ignoredUntilCached';
  /** What HEAD gets for every blob. */
  readonly head?: Refusal | 'hangUp';
  /** What HEAD gets of a blob that has not been asked for with GET: this is a pull-through cache. */
  readonly uncachedHead?: Refusal;
}

export interface TagListStyle {
  /** Tags per page at most, whatever `n` says. */
  readonly page?: number;
  /** How the next page is named. `none`: there are more tags, and nothing says so. Default `relative`. */
  readonly link?: 'relative' | 'absolute' | 'otherHost' | 'withoutPort' | 'otherPath' | 'none';
  /** A list of a repository without tags: null instead of an empty array. */
  readonly more?: Readonly<Record<string, unknown>>;
}
