/** Why a request is not looked at any further. Nobody is contacted for it. */
export interface Refusal {
  readonly reason: RefusalReason;
  /** A sentence for the client, with the value (shortened) and the way out. */
  readonly message: string;
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

export function refused(
  reason: RefusalReason,
  message: string,
): { readonly ok: false; readonly refusal: Refusal } {
  return { ok: false, refusal: { reason, message } };
}

/** Text that a client sent, fit for a message: quoted, escaped and cut. */
export function quoted(text: string): string {
  return JSON.stringify(text.length > 80 ? `${text.slice(0, 80)}...` : text);
}
