/**
 * Every refusal and failure as it reaches a client: status and body are decided here and nowhere else. Bodies
 * are those of the OCI distribution specification ("Error Codes"); `detail` holds the trail, so that whoever reads the
 * client's log sees which endpoint said what.
 *
 *   refused before anybody was asked     registry 403, name, tag, digest, namespace, pagination 400, path 404
 *   every endpoint said 404              404
 *   one failed otherwise                 502: nobody can know whether it exists
 *   offline, rate limited                503, never 429 and no Retry-After: podman would wait for minutes instead
 *                                        of going on to its next endpoint
 *   a push                               405
 */
import { EntrepotError } from '../errors.ts';
import type { OciError, OciErrorBody, OciErrorCode } from '../oci/error-codes.ts';
import type { Refusal, RefusalReason } from '../routing/refusal.ts';
import type { Target } from '../routing/target.ts';
import type { Attempt, Trail } from '../upstream/outcome.ts';
import type { Verdict } from '../upstream/upstream.ts';
import { type Answer, jsonAnswer } from './answer.ts';

const refusals: Readonly<Record<RefusalReason, { readonly status: number; readonly code: OciErrorCode }>> = {
  registry: { status: 403, code: 'DENIED' },
  namespace: { status: 400, code: 'NAME_INVALID' },
  name: { status: 400, code: 'NAME_INVALID' },
  tag: { status: 400, code: 'TAG_INVALID' },
  digest: { status: 400, code: 'DIGEST_INVALID' },
  pagination: { status: 400, code: 'PAGINATION_NUMBER_INVALID' },
  path: { status: 404, code: 'UNSUPPORTED' },
};

const unknownCodes: Readonly<Record<Target['kind'], OciErrorCode>> = {
  manifest: 'MANIFEST_UNKNOWN',
  blob: 'BLOB_UNKNOWN',
  tags: 'NAME_UNKNOWN',
  referrers: 'NAME_UNKNOWN',
};

/** Endpoints named in a message; the detail has them all. */
const maxNamed = 5;

/** The log has the reason too: clients that ask with HEAD never see it. But never what stood in a query. */
export function refusalAnswer({ reason, message }: Refusal): Answer {
  const { status, code } = refusals[reason];
  const quotesQuery = reason === 'namespace' || reason === 'pagination';
  return { ...errorAnswer(status, { code, message }), reason: quotesQuery ? undefined : message };
}

/** The request is our own: an endpoint of registries.conf is this server. Whoever asked goes on to the next endpoint. */
export function loopAnswer(): Answer {
  return errorAnswer(508, {
    code: 'UNAVAILABLE',
    message:
      'this request came from this very server: a mirror or location in its registries.conf leads back to it; ' +
      'give it a file of its own with --registries',
  });
}

/** `trail` may be empty: what is remembered as missing or cooling asks nobody. */
export function verdictAnswer(target: Target, verdict: Verdict, trail: Trail): Answer {
  const subject = describe(target);
  const told = summary(trail);
  switch (verdict.kind) {
    case 'notFound':
      return errorAnswer(
        404,
        {
          code: unknownCodes[target.kind],
          message: `${subject} is unknown to every endpoint${told}`,
          detail: trail,
        },
        trail,
      );
    case 'unavailable':
      return errorAnswer(
        502,
        {
          code: 'UNAVAILABLE',
          message: `${subject} is not cached, and not every endpoint could be asked${told}`,
          detail: trail,
        },
        trail,
      );
    case 'offline':
      return errorAnswer(
        503,
        {
          code: 'UNAVAILABLE',
          message: `${subject} is not cached, and this server is offline (upstream.offline in entrepot.toml)`,
          detail: trail,
        },
        trail,
      );
    case 'rateLimited':
      return errorAnswer(
        503,
        {
          code: 'TOOMANYREQUESTS',
          message: `${subject} is not cached, and the registry limits requests until ${isoTime(verdict.until)}${told}`,
          detail: trail,
        },
        trail,
      );
  }
}

/** What was thrown: the one error class is told to the client, anything else is a bug and only logged. */
export function faultAnswer(fault: unknown, requestId: string): Answer {
  if (fault instanceof EntrepotError) {
    const isClients = fault.code === 'REFERENCE_INVALID';
    return {
      ...errorAnswer(isClients ? 400 : 500, {
        code: isClients ? 'NAME_INVALID' : 'UNKNOWN',
        message: fault.message,
        detail: { code: fault.code },
      }),
      fault,
    };
  }
  const message = `internal error: the log of this server tells more under request ${requestId}`;
  return { ...errorAnswer(500, { code: 'UNKNOWN', message }), fault };
}

/** Pushing and deleting is not what this server is for. The body of such a request is not read. */
export function writeAnswer(method: string): Answer {
  const message = `${method} is not supported: this is a pull-through mirror, push to the registry itself`;
  const answer = errorAnswer(405, { code: 'UNSUPPORTED', message });
  return { ...answer, headers: { ...answer.headers, Allow: 'GET, HEAD', Connection: 'close' } };
}

export function rangeAnswer(size: number): Answer {
  const message = `the range lies outside the ${size} bytes of this blob`;
  const answer = errorAnswer(416, { code: 'RANGE_INVALID', message });
  return { ...answer, headers: { ...answer.headers, 'Content-Range': `bytes */${size}` } };
}

function errorAnswer(status: number, error: OciError, trail?: Trail): Answer {
  const body: OciErrorBody = { errors: [error] };
  return jsonAnswer(status, body, { trail, headers: { 'Cache-Control': 'no-store' } });
}

function describe(target: Target): string {
  const { name } = target.image;
  switch (target.kind) {
    case 'manifest':
      return target.reference.tag === undefined
        ? `${name}@${target.reference.digest}`
        : `${name}:${target.reference.tag}`;
    case 'blob':
      return `blob ${target.digest} of ${name}`;
    case 'tags':
      return `the tag list of ${name}`;
    case 'referrers':
      return `the referrers of ${name}@${target.subject}`;
  }
}

function summary(trail: Trail): string {
  if (trail.length === 0) return '';
  const named = trail.slice(0, maxNamed).map(said).join('; ');
  return `: ${named}${trail.length > maxNamed ? `; and ${trail.length - maxNamed} more` : ''}`;
}

function said(attempt: Attempt): string {
  return `${attempt.endpoint} ${attempt.outcome}${attempt.reason === undefined ? '' : ` (${attempt.reason})`}`;
}

function isoTime(epochMs: number): string {
  const time = new Date(epochMs);
  return Number.isNaN(time.getTime()) ? 'later' : time.toISOString();
}
