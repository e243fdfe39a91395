/** What a fake registry holds, and what it answers when nothing is wrong. */
import type { OutgoingHttpHeaders } from 'node:http';
import type { Digest } from '../../src/oci/digest.ts';
import { readManifest } from '../../src/oci/manifest.ts';
import { mediaTypes } from '../../src/oci/media-types.ts';
import { type Blob, type ByteSource, blobOf, slice } from './byte-source.ts';
import type { SeenRequest } from './fake-registry-journal.ts';

export interface Answer {
  readonly status: number;
  readonly headers: OutgoingHttpHeaders;
  readonly body: ByteSource;
  /** Offset of the body's first byte in the content. */
  readonly from: number;
}

export interface StoredManifest {
  readonly blob: Blob;
  readonly mediaType: string;
}

interface Repository {
  readonly manifests: Map<Digest, StoredManifest>;
  readonly tags: Map<string, Digest>;
}

interface StoredFile {
  readonly blob: Blob;
  readonly refusesAuthorization: boolean;
}

export interface ContentOptions {
  /** The referrers API; without it 404. Default true. */
  readonly referrers?: boolean;
  /** Whether referrers are filtered by `artifactType`. Default true. */
  readonly filtersReferrers?: boolean;
  /** Whether Range is honoured. Default true. */
  readonly ranges?: boolean;
  /** Tags, and repositories of the catalogue, per page at most. Default: all. */
  readonly tagsPerPage?: number;
  /** `/v2/_catalog`; without it 404. Default false. */
  readonly catalogue?: boolean;
}

export type Content = ReturnType<typeof createContent>;

export function createContent(options: ContentOptions) {
  const blobs = new Map<Digest, { blob: Blob; only: ReadonlySet<string> | undefined }>();
  const repositories = new Map<string, Repository>();
  const files = new Map<string, StoredFile>();

  function repositoryOf(name: string): Repository {
    const known = repositories.get(name);
    if (known) return known;
    const fresh: Repository = { manifests: new Map(), tags: new Map() };
    repositories.set(name, fresh);
    return fresh;
  }

  function answerManifest(request: SeenRequest): Answer {
    const repository = repositories.get(request.repository ?? '');
    const digest = request.digest ?? repository?.tags.get(request.reference ?? '');
    const stored = digest && repository?.manifests.get(digest);
    if (!stored) return errorAnswer(404, 'MANIFEST_UNKNOWN', 'manifest unknown');
    return whole(stored.blob, { 'content-type': stored.mediaType });
  }

  function answerBlob(request: SeenRequest, honourRange: boolean): Answer {
    const stored = request.digest && blobs.get(request.digest);
    if (!stored || (stored.only && !stored.only.has(request.repository ?? ''))) {
      return errorAnswer(404, 'BLOB_UNKNOWN', 'blob unknown to registry');
    }
    const ranged = honourRange && options.ranges !== false;
    const headers = { 'content-type': 'application/octet-stream' };
    return ranged
      ? partOf(stored.blob, request.headers.range, { ...headers, 'accept-ranges': 'bytes' })
      : whole(stored.blob, headers);
  }

  function answerFile(file: StoredFile, request: SeenRequest, honourRange: boolean): Answer {
    if (file.refusesAuthorization && request.headers.authorization !== undefined) {
      return errorAnswer(400, 'UNSUPPORTED', 'only one auth mechanism allowed');
    }
    return partOf(file.blob, honourRange ? request.headers.range : undefined, {
      'content-type': 'binary/octet-stream',
      'accept-ranges': 'bytes',
    });
  }

  function answerTags(request: SeenRequest): Answer {
    const repository = repositories.get(request.repository ?? '');
    if (!repository) return errorAnswer(404, 'NAME_UNKNOWN', 'repository name not known to registry');
    const all = [...repository.tags.keys()].sort();
    const last = request.query.get('last');
    const rest = last === null ? all : all.filter((tag) => tag > last);
    const asked = request.query.get('n');
    const size = Math.min(asked === null ? Infinity : Number(asked), options.tagsPerPage ?? Infinity);
    const page = rest.slice(0, size);
    const more = rest.length > page.length && page.length > 0;
    const query = `${asked === null ? '' : `n=${asked}&`}last=${encodeURIComponent(page.at(-1) ?? '')}`;
    return jsonAnswer(
      200,
      { name: request.repository, tags: page },
      {
        ...(more && { link: `</v2/${request.repository}/tags/list?${query}>; rel="next"` }),
      },
    );
  }

  function answerCatalogue(request: SeenRequest): Answer {
    const last = request.query.get('last');
    const rest = [...repositories.keys()].sort().filter((name) => last === null || name > last);
    const page = rest.slice(0, options.tagsPerPage ?? Infinity);
    const link = `</v2/_catalog?last=${encodeURIComponent(page.at(-1) ?? '')}>; rel="next"`;
    return jsonAnswer(200, { repositories: page }, rest.length > page.length ? { link } : {});
  }

  function answerReferrers(request: SeenRequest): Answer {
    if (options.referrers === false) return errorAnswer(404, 'UNSUPPORTED', 'page not found');
    const wanted = options.filtersReferrers === false ? null : request.query.get('artifactType');
    const manifests = [];
    for (const [digest, stored] of repositories.get(request.repository ?? '')?.manifests ?? []) {
      const manifest = readManifest(stored.blob.bytes(), stored.mediaType);
      if ('problem' in manifest || manifest.subject !== request.digest) continue;
      const { mediaType, artifactType, annotations } = manifest;
      if (wanted !== null && artifactType !== wanted) continue;
      manifests.push({ mediaType, digest, size: stored.blob.size, artifactType, annotations });
    }
    const index = { schemaVersion: 2, mediaType: mediaTypes.ociIndex, manifests };
    return jsonAnswer(200, index, {
      'content-type': mediaTypes.ociIndex,
      ...(wanted !== null && { 'oci-filters-applied': 'artifactType' }),
    });
  }

  return {
    putBlob(blob: Blob, only?: readonly string[]): void {
      blobs.set(blob.digest, { blob, only: only && new Set(only) });
    },
    removeBlob: (digest: Digest) => blobs.delete(digest),
    putManifest(repository: string, tag: string | undefined, manifest: StoredManifest): void {
      const place = repositoryOf(repository);
      place.manifests.set(manifest.blob.digest, manifest);
      if (tag !== undefined) place.tags.set(tag, manifest.blob.digest);
    },
    /** Removes a tag, or a manifest with all tags on it. */
    removeManifest(repository: string, reference: string): void {
      const place = repositoryOf(repository);
      place.manifests.delete(reference as Digest);
      for (const [tag, digest] of place.tags) {
        if (tag === reference || digest === reference) place.tags.delete(tag);
      }
    },
    putFile: (path: string, file: StoredFile) => files.set(path, file),
    hasFile: (path: string) => files.has(path),
    answer(request: SeenRequest, honourRange: boolean): Answer {
      const file = files.get(request.path);
      if (file) return answerFile(file, request, honourRange);
      if (options.catalogue && request.path === '/v2/_catalog') return answerCatalogue(request);
      switch (request.kind) {
        case 'ping':
          return jsonAnswer(200, {});
        case 'manifest':
          return answerManifest(request);
        case 'blob':
          return answerBlob(request, honourRange);
        case 'tags':
          return answerTags(request);
        case 'referrers':
          return answerReferrers(request);
        default:
          return errorAnswer(404, 'UNSUPPORTED', 'no such path');
      }
    },
  };
}

function whole(blob: Blob, headers: OutgoingHttpHeaders): Answer {
  const named = { 'docker-content-digest': blob.digest, etag: `"${blob.digest}"` };
  return { status: 200, headers: { ...named, ...headers }, body: blob, from: 0 };
}

/** One range of `blob`; several, or nonsense, give the whole (RFC 9110, section 14.2). */
function partOf(blob: Blob, range: string | undefined, headers: OutgoingHttpHeaders): Answer {
  const full = whole(blob, headers);
  const asked = /^bytes=(\d*)-(\d*)$/.exec(range ?? '');
  if (!asked || (asked[1] === '' && asked[2] === '')) return full;
  const suffix = asked[1] === '';
  const start = suffix ? Math.max(0, blob.size - Number(asked[2])) : Number(asked[1]);
  const end = suffix || asked[2] === '' ? blob.size : Math.min(blob.size, Number(asked[2]) + 1);
  if (start >= blob.size) {
    return { ...full, status: 416, headers: { 'content-range': `bytes */${blob.size}` }, body: blobOf('') };
  }
  if (end <= start) return full;
  return {
    status: 206,
    headers: { ...full.headers, 'content-range': `bytes ${start}-${end - 1}/${blob.size}` },
    body: slice(blob, start, end),
    from: start,
  };
}

export function textAnswer(status: number, text: string, headers: OutgoingHttpHeaders = {}): Answer {
  return { status, headers, body: blobOf(text), from: 0 };
}

export function jsonAnswer(status: number, value: unknown, headers: OutgoingHttpHeaders = {}): Answer {
  return textAnswer(status, JSON.stringify(value), { 'content-type': 'application/json', ...headers });
}

/** An error body of the distribution API. */
export function errorAnswer(
  status: number,
  code: string,
  message: string,
  headers: OutgoingHttpHeaders = {},
): Answer {
  return jsonAnswer(status, { errors: [{ code, message }] }, headers);
}
