/**
 * The audit log: what clients pulled, pushed and deleted, what they were denied, and what administrators changed. It is a stream of its own,
 * beside the log of the program: one JSON object per line. docs/audit.md has the fields.
 */

export const auditActions = ['pull', 'push', 'delete', 'change'] as const;
export type AuditAction = (typeof auditActions)[number];

export interface AuditEntry {
  readonly action: AuditAction;
  /** `denied`: the credentials were wrong, or the principal lacks the right. `failed`: anything else that was not done. */
  readonly outcome: 'done' | 'denied' | 'failed';
  /** Undefined where the credentials were wrong. */
  readonly principal: { readonly kind: string; readonly name: string } | undefined;
  /** Address of the client; undefined for a change that came over the admin socket. */
  readonly client?: string | undefined;
  /** Id of the request, as in the log and in `X-Request-Id`. */
  readonly id?: string | undefined;
  /** `registry/repository`. */
  readonly image?: string | undefined;
  readonly tag?: string | undefined;
  readonly digest?: string | undefined;
  readonly kind?: 'manifest' | 'blob' | undefined;
  readonly status?: number | undefined;
  /** Bytes of the answer's body that were sent. */
  readonly bytes?: number | undefined;
  readonly agent?: string | undefined;
  /** The command of a change, and what it is about. */
  readonly command?: string | undefined;
  readonly about?: string | undefined;
}

export interface Audit {
  /** Something is recorded: without a file, no entry needs to be made. */
  readonly isOn: boolean;
  /** Never throws and never waits. */
  record(entry: AuditEntry): void;
}
