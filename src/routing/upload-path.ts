/**
 * Paths of upload sessions (distribution-spec, "Pushing Blobs"):
 *
 *   /v2/<name>/blobs/uploads/        a new session
 *   /v2/<name>/blobs/uploads/<id>    a session
 */
import { type Addressed, decodePiece } from './parse-target.ts';
import { refused } from './refusal.ts';

export interface UploadPath {
  /** `<name>`, decoded. It may begin with a registry (`namespaces.ts`). */
  readonly name: string;
  readonly id: string | undefined;
}

const form = /^\/v2\/(.+)\/blobs\/uploads(?:\/([A-Za-z0-9_-]*))?$/;
const maxPathLength = 1400;

/** Undefined where the path is none of an upload. `rawPath` is the path of the URL as sent, without the query. */
export function parseUploadPath(rawPath: string): Addressed<UploadPath> | undefined {
  if (rawPath.length > maxPathLength) return undefined;
  const [, rawName, id] = form.exec(rawPath) ?? [];
  if (rawName === undefined) return undefined;
  const name = decodePiece(rawName);
  if (name === undefined) return refused('name', 'the name in the path is not percent-encoded UTF-8');
  return { ok: true, value: { name, id: id || undefined } };
}
