/**
 * What the audit log says of a request to the distribution API. Content that is given, taken or deleted is a line, and so is a denial.
 * Nothing is said of a HEAD, a list, the steps of an upload before its last, and a challenge: clients do all of them on the way.
 *
 *   GET manifest, GET blob             pull
 *   PUT manifest, 201 of an upload     push
 *   DELETE manifest, DELETE blob       delete
 *   anything that is denied            what its method would have been
 *
 * A request of a peer is none: the replica that the client asked has the line.
 */
import type { IncomingMessage } from 'node:http';
import type { PushTarget, Target } from '../routing/target.ts';
import type { AuditAction, AuditEntry } from '../telemetry/audit/audit.ts';
import type { Answer } from './answers/answer.ts';
import type { HandledRequest } from './handled-request.ts';

const maxAgent = 100;

/** Undefined for a request that the audit log says nothing of. */
export function auditEntry(
  incoming: Pick<IncomingMessage, 'method' | 'headers'>,
  { requestId, client, answer, target, principal, sent }: HandledRequest,
): AuditEntry | undefined {
  const { method = '', headers } = incoming;
  if (principal?.kind === 'peer') return undefined;
  const action = answer.isDenied ? meantBy(method) : doneBy(method, target, answer.status);
  if (!action) return undefined;
  // What was pushed or deleted stays so, also if the client left before it was told.
  const isDone = answer.status < 400 && (action !== 'pull' || sent.end === 'complete');
  return {
    action,
    outcome: answer.isDenied ? 'denied' : isDone ? 'done' : 'failed',
    principal,
    client,
    id: requestId,
    image: target?.image.name,
    ...aboutTarget(target, answer),
    status: answer.status,
    bytes: sent.bytes,
    agent: headers['user-agent']?.slice(0, maxAgent),
  };
}

function meantBy(method: string): AuditAction {
  if (method === 'GET' || method === 'HEAD') return 'pull';
  return method === 'DELETE' ? 'delete' : 'push';
}

function doneBy(
  method: string,
  target: Target | PushTarget | undefined,
  status: number,
): AuditAction | undefined {
  // 401 without a denial is a challenge.
  if (!target || method === 'HEAD' || status === 401) return undefined;
  if (target.kind === 'tags' || target.kind === 'referrers') return undefined;
  // A session that the client ends, or asks about, gives nothing and takes nothing.
  if (target.kind === 'upload') return method !== 'DELETE' && status === 201 ? 'push' : undefined;
  return meantBy(method);
}

function aboutTarget(
  target: Target | PushTarget | undefined,
  { headers }: Answer,
): Pick<AuditEntry, 'kind' | 'tag' | 'digest'> {
  const given = headers['Docker-Content-Digest'];
  const digest = typeof given === 'string' ? given : undefined;
  switch (target?.kind) {
    case 'manifest':
      return { kind: 'manifest', tag: target.reference.tag, digest: digest ?? target.reference.digest };
    case 'blob':
      return { kind: 'blob', digest: target.digest };
    case 'upload':
      return { kind: 'blob', digest };
    default:
      return {};
  }
}
