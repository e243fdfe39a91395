/** A client that pushes step by step, as the tests of pushes need it. */
import { createHash } from 'node:crypto';
import { type GetOptions, get, type HttpAnswer } from './http-client.ts';

export function sha256(bytes: Uint8Array | string): string {
  return `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
}

export interface Pusher {
  /** `path` after `/v2/NAME/`, or a Location. */
  send(
    method: string,
    path: string,
    body?: Uint8Array | string,
    headers?: GetOptions['headers'],
  ): Promise<HttpAnswer>;
  /** The Location of a new session. */
  begin(): Promise<string>;
  /** Pushes a blob by POST and PUT. */
  blob(bytes: Uint8Array | string): Promise<string>;
  /** Pushes a manifest under a tag or its digest. */
  manifest(reference: string, json: object): Promise<HttpAnswer>;
}

export const imageType = 'application/vnd.oci.image.manifest.v1+json';
export const indexType = 'application/vnd.oci.image.index.v1+json';
export const configType = 'application/vnd.oci.image.config.v1+json';
const layerType = 'application/vnd.oci.image.layer.v1.tar+gzip';

/** Pushes to `name` at the server `url`; `headers` go with each request. */
export function pusher(url: string, name: string, headers: GetOptions['headers'] = {}): Pusher {
  const send: Pusher['send'] = (method, path, body, more) => {
    const target = path.startsWith('/') ? path : `/v2/${name}/${path}`;
    return get(`${url}${target}`, {
      method,
      headers: {
        ...headers,
        ...(body !== undefined && { 'content-length': String(Buffer.byteLength(body)) }),
        ...more,
      },
      ...(body !== undefined && { body }),
    });
  };
  async function begin(): Promise<string> {
    const { headers: found } = await send('POST', 'blobs/uploads/', '');
    return String(found.location);
  }
  return {
    send,
    begin,
    async blob(bytes) {
      const digest = sha256(bytes);
      const { status, body } = await send('PUT', withQuery(await begin(), `digest=${digest}`), bytes);
      if (status !== 201) throw new Error(`${status} ${body}`);
      return digest;
    },
    manifest: (reference, json) =>
      send('PUT', `manifests/${reference}`, JSON.stringify(json), {
        'content-type': 'manifests' in json ? indexType : imageType,
      }),
  };
}

/** Clients append to a Location as they find it. */
export function withQuery(location: string, query: string): string {
  return `${location}${location.includes('?') ? '&' : '?'}${query}`;
}

/** A manifest of blobs, the first of which is its config. */
export function imageManifest(blobs: readonly (Uint8Array | string)[], more: object = {}) {
  const [config, ...layers] = blobs.map((bytes) => ({
    digest: sha256(bytes),
    size: Buffer.byteLength(bytes),
  }));
  return {
    schemaVersion: 2,
    mediaType: imageType,
    config: { mediaType: configType, ...config },
    layers: layers.map((layer) => ({ mediaType: layerType, ...layer })),
    ...more,
  };
}

/** The codes of an answer's errors. */
export function codesOf({ body }: HttpAnswer): readonly string[] {
  return (JSON.parse(body.toString()) as { errors: { code: string }[] }).errors.map(({ code }) => code);
}
