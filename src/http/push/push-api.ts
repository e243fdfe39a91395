/**
 * Requests that write, and those about uploads (distribution-spec, "Pushing" and "Content Management"). Rights were checked before;
 * `Push` does the work, and what comes of it becomes an answer here.
 *
 *   POST    blobs/uploads/           begin; ?mount=D[&from=NAME]: mount; ?digest=D: all in one
 *   GET     blobs/uploads/ID         how far it is
 *   PATCH   blobs/uploads/ID         a chunk, or a stream
 *   PUT     blobs/uploads/ID?digest  the last chunk, and the end
 *   DELETE  blobs/uploads/ID         cancel
 *   PUT     manifests/TAG|DIGEST     ?tag=A&tag=B beside a digest
 *   DELETE  manifests/TAG|DIGEST, blobs/DIGEST
 */
import type { OutgoingHttpHeaders } from 'node:http';
import type { EventCause } from '../../cache/index/outbox/outbox-event.ts';
import { type Digest, digestAlgorithm, digestAlgorithms, parseDigest } from '../../oci/digest.ts';
import { maxManifestBytes } from '../../oci/manifest.ts';
import { bareMediaType } from '../../oci/media-types.ts';
import { parseTag, type Tag } from '../../oci/reference.ts';
import type { Push, Removed, StoredUpload, UploadFailure, UploadState } from '../../push/push.ts';
import type {
  BlobTarget,
  ImageName,
  ManifestTarget,
  PushTarget,
  UploadTarget,
} from '../../routing/target.ts';
import type { Answer } from '../answers/answer.ts';
import { errorsAnswer, notAllowedAnswer } from '../answers/registry-error.ts';
import { parseContentRange, uploadRange } from './content-range.ts';
import { locationOf } from './location.ts';
import { noDeleteAnswer, pushFailureAnswer, upstreamOnlyAnswer } from './push-failure.ts';
import type { RequestBody } from './request-body.ts';

export interface PushRequest {
  readonly method: string;
  readonly target: PushTarget;
  /** `<name>` and `ns` as the client addressed them: a Location has the same. */
  readonly name: string;
  readonly namespace: string | undefined;
  /** The principal's kind and name. */
  readonly owner: string;
  /** The request, for events. */
  readonly cause: EventCause;
  readonly query: URLSearchParams;
  readonly headers: { readonly contentType: string | undefined; readonly contentRange: string | undefined };
  readonly body: RequestBody;
  /** Images that the client may pull and that a mount may take `digest` from. `from`: as the client names it. */
  mountSources(digest: Digest, from: string | undefined): Promise<readonly ImageName[]>;
}

/** Tags beside one digest. The specification wants ten at least. */
const maxTags = 20;

/** Answers one request. Rejects where the storage fails. */
export async function answerPush(push: Push, request: PushRequest): Promise<Answer> {
  const { target, method } = request;
  switch (target.kind) {
    case 'upload':
      return target.id === undefined
        ? begin(push, request, target)
        : session(push, request, target, target.id);
    case 'manifest':
      if (method === 'PUT') return putManifest(push, request, target);
      break;
    case 'blob':
      break;
  }
  if (method === 'DELETE') return remove(push, target, request.cause);
  return unsupported(method, target.kind === 'manifest' ? 'GET, HEAD, PUT, DELETE' : 'GET, HEAD, DELETE');
}

async function begin(push: Push, request: PushRequest, { image }: UploadTarget): Promise<Answer> {
  const { method, query, owner, body } = request;
  if (method !== 'POST') return unsupported(method, 'POST');
  const mount = query.get('mount');
  const mountable = mount === null ? undefined : parseDigest(mount);
  if (mountable) {
    const sources = await request.mountSources(mountable, query.get('from') ?? undefined);
    const mounted = await push.mount(image, mountable, sources);
    if (mounted) return storedAnswer(request, mounted);
  }
  const wanted = query.get('digest');
  const digest = wanted === null ? undefined : parseDigest(wanted);
  if (wanted !== null && !digest) return badDigest(wanted);
  const announced = query.get('digest-algorithm');
  const algorithm = digest ? digestAlgorithm(digest) : digestAlgorithms.find((one) => one === announced);
  if (announced !== null && algorithm === undefined) {
    const message = `digest-algorithm is one of ${digestAlgorithms.join(', ')}`;
    return errorsAnswer(400, [{ code: 'DIGEST_INVALID', message }]);
  }
  const begun = await push.begin(image, owner, algorithm);
  if (begun.kind !== 'begun') return failureAnswer(request, begun);
  const { id } = begun.upload;
  if (!digest || (mount !== null && body.length === 0)) return uploadAnswer(202, request, begun.upload);
  const key = { image, id, owner };
  const chunk = { body: body.bytes(), start: undefined, length: body.length };
  try {
    const finished = await push.finish(key, digest, chunk);
    return finished.kind === 'stored' ? storedAnswer(request, finished) : failureAnswer(request, finished);
  } finally {
    // The client has no address to go on with.
    await push.cancel(key);
  }
}

async function session(
  push: Push,
  request: PushRequest,
  { image }: UploadTarget,
  id: string,
): Promise<Answer> {
  const { method, query, owner } = request;
  const key = { image, id, owner };
  switch (method) {
    case 'GET':
    case 'HEAD': {
      const upload = await push.status(key);
      return upload ? uploadAnswer(204, request, upload) : pushFailureAnswer({ kind: 'unknownUpload' });
    }
    case 'DELETE': {
      const isCancelled = await push.cancel(key);
      if (!isCancelled) return pushFailureAnswer({ kind: 'unknownUpload' });
      return { status: 204, headers: { 'Docker-Upload-UUID': id } };
    }
    case 'PATCH': {
      const chunk = chunkOf(request);
      if ('status' in chunk) return chunk;
      const appended = await push.append(key, chunk);
      return appended.kind === 'appended'
        ? uploadAnswer(202, request, appended.upload)
        : failureAnswer(request, appended);
    }
    case 'PUT': {
      const wanted = query.get('digest') ?? '';
      const digest = parseDigest(wanted);
      if (!digest) return badDigest(wanted);
      const chunk = chunkOf(request);
      if ('status' in chunk) return chunk;
      const finished = await push.finish(key, digest, chunk);
      return finished.kind === 'stored' ? storedAnswer(request, finished) : failureAnswer(request, finished);
    }
    default:
      return unsupported(method, 'GET, HEAD, PATCH, PUT, DELETE');
  }
}

/** The chunk that a request bears, or the answer to one that cannot be. */
function chunkOf({ headers, body }: PushRequest) {
  const { contentRange } = headers;
  const chunk = { body: body.bytes(), start: undefined, length: body.length };
  if (contentRange === undefined) return chunk;
  const range = parseContentRange(contentRange);
  if (!range) {
    return errorsAnswer(416, [
      { code: 'RANGE_INVALID', message: 'Content-Range must be FIRST-LAST, both bytes included' },
    ]);
  }
  if (body.length !== undefined && body.length !== 0 && body.length !== range.length) {
    const message = `Content-Range says ${range.length} bytes, Content-Length ${body.length}`;
    return errorsAnswer(400, [{ code: 'SIZE_INVALID', message }]);
  }
  return { ...chunk, start: range.start, length: body.length ?? range.length };
}

async function putManifest(push: Push, request: PushRequest, target: ManifestTarget): Promise<Answer> {
  const { image, reference } = target;
  const { query, headers, body } = request;
  const tags = query.getAll('tag').map(parseTag);
  if (tags.length > maxTags) {
    return errorsAnswer(414, [
      { code: 'TAG_INVALID', message: `at most ${maxTags} tags can be set at once` },
    ]);
  }
  if (tags.includes(undefined)) {
    return errorsAnswer(400, [
      { code: 'TAG_INVALID', message: 'a tag has at most 128 of letters, digits, "_", "." and "-"' },
    ]);
  }
  const bytes = await body.whole(maxManifestBytes).catch(() => 'clientLeft' as const);
  if (bytes === 'clientLeft') return pushFailureAnswer({ kind: 'clientLeft' });
  if (!bytes) {
    const message = `a manifest has at most ${maxManifestBytes} bytes`;
    return errorsAnswer(413, [{ code: 'MANIFEST_INVALID', message }]);
  }
  const named = reference.tag === undefined ? [] : [reference.tag];
  const result = await push.putManifest(image, {
    bytes,
    mediaType: bareMediaType(headers.contentType ?? ''),
    digest: reference.digest,
    tags: [...new Set([...named, ...(tags as Tag[])])],
    cause: request.cause,
  });
  if (result.kind !== 'stored') return pushFailureAnswer(result);
  const { digest, subject, warnings } = result;
  const more: OutgoingHttpHeaders = {
    Location: locationOf(request, `manifests/${digest}`),
    'Docker-Content-Digest': digest,
    'Content-Length': 0,
  };
  if (subject) more['OCI-Subject'] = subject;
  if (tags.length > 0) more['OCI-Tag'] = result.tags.filter((tag) => tags.includes(tag));
  // RFC 9111, section 5.5: code 299, a quoted text.
  if (warnings.length > 0) more.Warning = warnings.map((text) => `299 - "${text.replace(/["\\]/g, "'")}"`);
  return { status: 201, headers: more };
}

async function remove(push: Push, target: ManifestTarget | BlobTarget, cause: EventCause): Promise<Answer> {
  const { image } = target;
  const { kind } = await removeTarget(push, target, cause);
  switch (kind) {
    case 'removed':
      return { status: 202, headers: { 'Content-Length': 0 } };
    case 'disabled':
      return noDeleteAnswer(image.name);
    case 'upstream':
      return upstreamOnlyAnswer(image.name);
    case 'unknown': {
      const code = target.kind === 'blob' ? 'BLOB_UNKNOWN' : 'MANIFEST_UNKNOWN';
      return errorsAnswer(404, [{ code, message: `it is not in ${image.name}` }]);
    }
  }
}

function removeTarget(push: Push, target: ManifestTarget | BlobTarget, cause: EventCause): Promise<Removed> {
  const { image } = target;
  if (target.kind === 'blob') return push.removeBlob(image, target.digest, cause);
  const { tag, digest } = target.reference;
  if (tag !== undefined) return push.removeTag(image, tag, cause);
  return push.removeManifest(image, digest as Digest, cause);
}

function storedAnswer(request: PushRequest, { digest }: StoredUpload): Answer {
  const headers = {
    Location: locationOf(request, `blobs/${digest}`),
    'Docker-Content-Digest': digest,
    'Content-Length': 0,
  };
  return { status: 201, headers };
}

function uploadAnswer(status: number, request: PushRequest, { id, size }: UploadState): Answer {
  return { status, headers: { ...uploadHeaders(request, { id, size }), 'Content-Length': 0 } };
}

function uploadHeaders(request: PushRequest, { id, size }: UploadState): OutgoingHttpHeaders {
  return {
    Location: locationOf(request, `blobs/uploads/${id}`),
    Range: uploadRange(size),
    'Docker-Upload-UUID': id,
  };
}

function failureAnswer(request: PushRequest, failure: UploadFailure): Answer {
  switch (failure.kind) {
    case 'outOfOrder': {
      const message = `the upload has ${failure.upload.size} bytes: go on from there, one request at a time`;
      return errorsAnswer(416, [{ code: 'RANGE_INVALID', message }], uploadHeaders(request, failure.upload));
    }
    case 'sizeMismatch': {
      const message = `${failure.announced} bytes were announced, others came: the upload has ${failure.upload.size} bytes now`;
      return errorsAnswer(400, [{ code: 'SIZE_INVALID', message }], uploadHeaders(request, failure.upload));
    }
    default:
      return pushFailureAnswer(failure);
  }
}

function badDigest(text: string): Answer {
  const message =
    text === ''
      ? 'the digest is missing: the URL needs ?digest=sha256:...'
      : 'the digest is none: sha256, sha384 or sha512, ":" and its lower-case hex digits';
  return errorsAnswer(400, [{ code: 'DIGEST_INVALID', message }]);
}

function unsupported(method: string, allowed: string): Answer {
  return notAllowedAnswer(`${method} means nothing at this path`, allowed);
}
