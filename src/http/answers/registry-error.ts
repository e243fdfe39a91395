/**
 * Every refusal and failure as a client gets it: this file alone decides status and body. Bodies have the form of the OCI
 * distribution specification ("Error Codes"); `detail` is the trail, with the answer of each endpoint. The reason phrase has
 * the trail in short (`reason-phrase.ts`).
 *
 *   refused, no endpoint was asked       registry 403; name, digest, namespace, pagination 400; tag, path 404
 *                                        (no registry can have such a tag: conformance suite, "pull")
 *   every endpoint answered 404          404
 *   one failed in another way            502: the image may exist there
 *   a gate refuses it                    403, with the gate and its rule
 *   offline, rate limited, in a bucket   503. Never 429 and no Retry-After: podman would wait for minutes instead of going
 *                                        on to its next endpoint
 *   a method that the path has not       405
 *   a request of this very server        508
 */
import type { OutgoingHttpHeaders } from 'node:http';
import { EntrepotError } from '../../errors.ts';
import type { OciError, OciErrorBody, OciErrorCode } from '../../oci/error-codes.ts';
import { refusalText, whyUnavailable } from '../../pull/verdict-text.ts';
import { overridePathHint } from '../../routing/parse-target.ts';
import type { Refusal, RefusalReason } from '../../routing/refusal.ts';
import type { Target } from '../../routing/target.ts';
import type { Attempt, Trail } from '../../upstream/outcome.ts';
import type { Verdict } from '../../upstream/upstream.ts';
import { type Answer, jsonAnswer } from './answer.ts';
import { trailInBrief } from './reason-phrase.ts';

const refusals: Readonly<Record<RefusalReason, { readonly status: number; readonly code: OciErrorCode }>> = {
  registry: { status: 403, code: 'DENIED' },
  namespace: { status: 400, code: 'NAME_INVALID' },
  name: { status: 400, code: 'NAME_INVALID' },
  tag: { status: 404, code: 'MANIFEST_UNKNOWN' },
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

/** Endpoints that a message names; `detail` has all of them. */
const maxNamed = 5;

/** The log has the message, too, because a HEAD has no body. Text from a query is not logged: it may be a secret. */
export function refusalAnswer({ reason, message }: Refusal): Answer {
  const { status, code } = refusals[reason];
  const answer = errorAnswer(status, { code, message });
  const quotesQuery = reason === 'namespace' || reason === 'pagination';
  return quotesQuery
    ? { ...answer, summary: `the ${reason} in the query is not valid` }
    : { ...answer, summary: message, reason: message };
}

/** The request came from this server: an endpoint of registries.conf leads back to it. The next endpoint is then asked. */
export function loopAnswer(): Answer {
  const message =
    'this request came from this very server: a mirror or location in its registries.conf leads back to it; ' +
    'give it a file of its own with --registries';
  return { ...errorAnswer(508, { code: 'UNAVAILABLE', message }), summary: message };
}

/**
 * `trail` is empty if a remembered absence or rate limit decided, because then no endpoint is asked. `cache`: a notFound that
 * is no longer fresh.
 */
export function verdictAnswer(target: Target, verdict: Verdict, trail: Trail, cache?: 'stale'): Answer {
  const failure = failureOf(target, verdict, trail);
  const { status, code } = failure;
  const words =
    cache === undefined ? failure.words : 'was unknown to every endpoint when it was last asked for';
  const { name, repository } = target.image;
  const answers = verdict.kind === 'offline' ? '' : inFull(trail);
  const hint = repository.startsWith('v2/') ? `; ${overridePathHint}` : '';
  const message = `${describe(target)} ${words}${answers}${hint}`;
  const hasTrail = trail.length > 0 && verdict.kind !== 'offline';
  return {
    ...errorAnswer(status, { code, message, detail: trail }),
    trail,
    cache,
    summary: hasTrail ? trailInBrief(name, trail) : `${name} ${words}`,
  };
}

/**
 * For a HEAD of a client that may push the content: 404 even if no endpoint could tell, because clients end a push at any other failure,
 * and a push needs no endpoint. A HEAD has no body; the log has the trail.
 */
export function absentAnswer(target: Target, verdict: Verdict, trail: Trail): Answer {
  return { ...verdictAnswer(target, verdict, trail), status: 404 };
}

function failureOf(
  target: Target,
  verdict: Verdict,
  trail: Trail,
): { readonly status: number; readonly code: OciErrorCode; readonly words: string } {
  switch (verdict.kind) {
    case 'notFound':
      return {
        status: 404,
        code: unknownCodes[target.kind],
        words: verdict.isLocal ? 'is not here' : 'is unknown to every endpoint',
      };
    case 'unavailable':
      if (verdict.isLocal)
        return {
          status: 503,
          code: 'UNAVAILABLE',
          words: 'is kept in a bucket or on another replica, and none could give it',
        };
      return { status: 502, code: 'UNAVAILABLE', words: `is not cached, and ${whyUnavailable(trail)}` };
    case 'offline': {
      const words = 'is not cached, and this server is offline (upstream.offline in entrepot.toml)';
      return { status: 503, code: 'UNAVAILABLE', words };
    }
    case 'refused':
      return { status: 403, code: 'DENIED', words: refusalText(verdict) };
    case 'rateLimited': {
      const words = `is not cached, and the registry limits requests until ${isoTime(verdict.until)}`;
      return { status: 503, code: 'TOOMANYREQUESTS', words };
    }
  }
}

/**
 * For a principal that may not pull the image: the same as for an image that every endpoint said 404 for, so that it does not tell
 * what exists. `reason` is for the log alone.
 */
export function hiddenAnswer(target: Target, reason: string): Answer {
  return { ...verdictAnswer(target, { kind: 'notFound' }, []), trail: undefined, reason };
}

/** For something that was thrown: the client gets the message of an EntrepotError. Anything else is a bug, and only logged. */
export function faultAnswer(fault: unknown, requestId: string): Answer {
  if (fault instanceof EntrepotError) {
    // The image's name, or its name at an endpoint, breaks the grammar: the request can never succeed.
    const isClients = fault.code === 'REFERENCE_INVALID' || fault.code === 'REWRITE_INVALID';
    return {
      ...errorAnswer(isClients ? 400 : 500, {
        code: isClients ? 'NAME_INVALID' : 'UNKNOWN',
        message: fault.message,
        detail: { code: fault.code },
      }),
      summary: fault.message,
      fault,
    };
  }
  const message = `internal error: see request ${requestId} in the log of this server`;
  return { ...errorAnswer(500, { code: 'UNKNOWN', message }), summary: 'internal error', fault };
}

/** 405. `allowed`: the methods that the path has, as the Allow header lists them (RFC 9110, section 15.5.6). */
export function notAllowedAnswer(message: string, allowed: string): Answer {
  return errorsAnswer(405, [{ code: 'UNSUPPORTED', message }], { Allow: allowed });
}

/** 416: no range of the request lies within the content of `size` bytes. */
export function rangeAnswer(size: number): Answer {
  const message = `the range lies outside the ${size} bytes of this blob`;
  const answer = errorAnswer(416, { code: 'RANGE_INVALID', message });
  const headers = { ...answer.headers, 'Content-Range': `bytes */${size}` };
  return { ...answer, headers, summary: message };
}

function errorAnswer(status: number, error: OciError): Answer {
  const body: OciErrorBody = { errors: [error] };
  return jsonAnswer(status, body, { headers: { 'Cache-Control': 'no-store' } });
}

/** An answer with several errors. The first one is told in the reason phrase and in the log. */
export function errorsAnswer(
  status: number,
  errors: readonly OciError[],
  headers: OutgoingHttpHeaders = {},
): Answer {
  const body: OciErrorBody = { errors };
  const summary = errors[0]?.message;
  return jsonAnswer(status, body, {
    headers: { 'Cache-Control': 'no-store', ...headers },
    summary,
    reason: summary,
  });
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

function inFull(trail: Trail): string {
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
