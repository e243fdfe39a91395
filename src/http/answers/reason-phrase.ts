/**
 * The reason phrase of an error's status line. podman, skopeo, Docker and containerd print this phrase for a 5xx and drop
 * the body, so it says in short what the body says in full:
 *
 *   502 Bad Gateway (quay.io/team/app: m1.corp connection refused; quay.io timeout; id 4f0c9a6d21be)
 *
 * RFC 9112 section 4 allows any visible text here. Only printable ASCII is sent, because some of the text comes from
 * registries and clients.
 */
import { STATUS_CODES } from 'node:http';
import type { Attempt, Trail } from '../../upstream/outcome.ts';

/** Bytes. */
const maxPhrase = 200;
/** Characters of the request id: a client can send a long one, and its beginning is enough to find it in the log. */
const maxId = 36;
const maxSubject = 70;
const maxNamed = 4;

/** The standard phrase of the status, then `summary`, cut to what fits, and the request id. */
export function reasonPhrase(status: number, summary: string | undefined, requestId: string): string {
  const start = `${STATUS_CODES[status] ?? 'Error'} (`;
  const end = `id ${plain(requestId).slice(0, maxId)})`;
  if (summary === undefined || summary === '') return start + end;
  return `${start}${cut(plain(summary), maxPhrase - start.length - end.length - 2)}; ${end}`;
}

/** The endpoints that were asked, and the answer of each. If space is short, each gets an equal share. */
export function trailInBrief(subject: string, trail: Trail): string {
  const about = cut(plain(subject), maxSubject);
  const named = trail.slice(0, maxNamed).map(inBrief);
  if (trail.length > maxNamed) named.push(`${trail.length - maxNamed} more`);
  const whole = named.join('; ');
  // 40 for the status text, the id and the brackets.
  const space = maxPhrase - about.length - 2 - 40;
  if (whole.length <= space) return `${about}: ${whole}`;
  const share = Math.floor(space / named.length) - 2;
  return `${about}: ${named.map((one) => cut(one, share)).join('; ')}`;
}

function inBrief({ endpoint, outcome, reason }: Attempt): string {
  return plain(`${endpoint.split('/', 1)[0]} ${reason ?? outcome}`);
}

function plain(text: string): string {
  return text.replace(/[^\x20-\x7e]+/g, ' ');
}

function cut(text: string, length: number): string {
  return text.length <= length ? text : `${text.slice(0, Math.max(0, length - 3))}...`;
}
