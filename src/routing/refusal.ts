/** Why a request is refused before any host is contacted. */
export interface Refusal {
  readonly reason: RefusalReason;
  /** A sentence for the client: the value, shortened, and what to do. */
  readonly message: string;
  /** `registry/repository`, where the reason is `registry`. */
  readonly image?: string;
}

export type RefusalReason =
  /** The registry is not in the configuration, or a port was added to one that is. */
  | 'registry'
  /** `?ns=` is no `host[:port]`. */
  | 'namespace'
  | 'name'
  | 'tag'
  | 'digest'
  | 'pagination'
  /** The path belongs to no part of the distribution API. */
  | 'path';

/** A refusal as a result. */
export function refused(
  reason: RefusalReason,
  message: string,
): { readonly ok: false; readonly refusal: Refusal } {
  return { ok: false, refusal: { reason, message } };
}

/** Text from a client, fit for a message: quoted, escaped, and cut after 80 characters. */
export function quoted(text: string): string {
  return JSON.stringify(text.length > 80 ? `${text.slice(0, 80)}...` : text);
}
