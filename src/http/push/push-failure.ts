/**
 * What a client is told when a push fails. Codes are those of the OCI distribution specification ("Error Codes"), statuses those
 * that clients act upon: a 429 or 5xx makes them try again for minutes, so want of room is 403.
 *
 *   unknownUpload     404 BLOB_UPLOAD_UNKNOWN    also for the session of another client
 *   outOfOrder        416 RANGE_INVALID          with Location and Range, from which regclient goes on
 *   sizeMismatch      400 SIZE_INVALID
 *   digestMismatch    400 DIGEST_INVALID
 *   tooManyUploads    429 TOOMANYREQUESTS
 *   full              403 DENIED
 *   unknownContent    400 MANIFEST_BLOB_UNKNOWN  one error for each
 *   slow              503 UNAVAILABLE            it is better another time
 *   notDurable        503 UNAVAILABLE            with Retry-After: a bucket may work again
 *   immutable         409 DENIED
 *   disabled          405 UNSUPPORTED            deletion; also of what was not pushed here
 */
import type { OciError } from '../../oci/error-codes.ts';
import type { ManifestFailure, UploadFailure } from '../../push/push.ts';
import type { Answer } from '../answers/answer.ts';
import { errorsAnswer, notAllowedAnswer } from '../answers/registry-error.ts';

type Failure = Exclude<UploadFailure | ManifestFailure, { kind: 'outOfOrder' | 'sizeMismatch' }>;

/** The answer to a failure that leaves no session to go on with. */
export function pushFailureAnswer(failure: Failure): Answer {
  const [status, ...errors] = describe(failure);
  return errorsAnswer(status, errors, retryOf(failure));
}

function retryOf(failure: Failure): Record<string, string> | undefined {
  if (failure.kind === 'slow') return { 'Retry-After': '60' };
  return failure.kind === 'notDurable' ? { 'Retry-After': `${failure.retryAfter}` } : undefined;
}

function describe(failure: Failure): [number, OciError, ...OciError[]] {
  switch (failure.kind) {
    case 'unknownUpload':
      return [
        404,
        { code: 'BLOB_UPLOAD_UNKNOWN', message: 'there is no such upload for this client: begin a new one' },
      ];
    case 'digestMismatch': {
      const { wanted, found } = failure;
      return [
        400,
        {
          code: 'DIGEST_INVALID',
          message: `the content has the digest ${found}, not ${wanted}`,
          detail: { wanted, found },
        },
      ];
    }
    case 'tooManyUploads':
      return [
        429,
        {
          code: 'TOOMANYREQUESTS',
          message: failure.isOwn
            ? `this client has ${failure.limit} uploads under way: finish or cancel one first`
            : `there are ${failure.limit} uploads under way: try again when some of them are over`,
        },
      ];
    case 'full': {
      const message = `there is no room for ${failure.bytes} bytes more: see entrepot usage on the server`;
      return [403, { code: 'DENIED', message, detail: { bytes: failure.bytes } }];
    }
    case 'clientLeft':
      return [
        400,
        {
          code: 'BLOB_UPLOAD_INVALID',
          message: 'the body ended before its end: ask where the upload stands and go on from there',
        },
      ];
    case 'manifestInvalid':
      return [400, { code: 'MANIFEST_INVALID', message: failure.problem }];
    case 'unknownContent': {
      const [first, ...others] = failure.digests.map(unknown);
      return first
        ? [400, first, ...others]
        : [400, { code: 'MANIFEST_INVALID', message: 'content is missing' }];
    }
    case 'slow': {
      const [first = 'content'] = failure.digests;
      const message = `${first} is still on its way from its registry: push the manifest again in some minutes`;
      return [503, { code: 'UNAVAILABLE', message, detail: { digests: failure.digests } }];
    }
    case 'notDurable': {
      const message = `the push is not durable yet: ${failure.reason}`;
      return [503, { code: 'UNAVAILABLE', message }];
    }
    case 'immutable': {
      const { tag, digest } = failure;
      return [
        409,
        {
          code: 'DENIED',
          message: `the tag ${tag} is immutable and points to ${digest}`,
          detail: { tag, digest },
        },
      ];
    }
  }
}

function unknown(digest: string): OciError {
  const message = `${digest} is not in this repository: push it first`;
  return { code: 'MANIFEST_BLOB_UNKNOWN', message, detail: { digest } };
}

/** The replica that began the upload is no help: the client can only begin anew, here. `reason` is for the log alone. */
export function homeGoneAnswer(reason: string): Answer {
  const message = 'the replica that has this upload cannot be asked: begin a new one';
  return { ...errorsAnswer(404, [{ code: 'BLOB_UPLOAD_UNKNOWN', message }]), reason };
}

/**
 * No `[[push]]` rule matches: as for every mirror that takes no pushes. `isUnlisted`: the registry is in no registries.conf either, so
 * only a rule of the mode `local` can take it.
 */
export function noPushAnswer(
  image: string,
  { right, isUnlisted = false }: { readonly right: 'push' | 'delete'; readonly isUnlisted?: boolean },
): Answer {
  const what = right === 'delete' ? 'deleted in' : 'pushed to';
  const remedy = isUnlisted ? '; its registry is not listed, so it needs a [[push]] with mode = "local"' : '';
  const message = `nothing can be ${what} ${image}: no [[push]] in entrepot.toml matches it${remedy}`;
  return notAllowedAnswer(message, 'GET, HEAD');
}

/** The rule of the image does not set `delete = true`. */
export function noDeleteAnswer(image: string): Answer {
  const message = `nothing can be deleted in ${image}: its [[push]] in entrepot.toml needs delete = true`;
  return notAllowedAnswer(message, 'GET, HEAD');
}

/** A deletion of what a registry has and no client pushed here: the next pull would bring it back. */
export function upstreamOnlyAnswer(image: string): Answer {
  const message = `it was not pushed here: ${image} has it from its registry, where it can be deleted; entrepot purge takes it out of the cache`;
  return notAllowedAnswer(message, 'GET, HEAD');
}
