/** What clients ask a registry: every form of request, for what is there, what is not, and what is forbidden. */
import { manifestAccept, mediaTypes } from '../../../src/oci/media-types.ts';
import { absentDigest, app, names, other, secret, sharedLayer } from './content.ts';

export interface Question {
  readonly method: 'GET' | 'HEAD';
  readonly repository: string;
  /** After the repository. */
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly about: 'present' | 'missing' | 'forbidden';
}

const accepts = {
  containerd: `${manifestAccept.join(', ')}, */*`,
  docker: [mediaTypes.dockerManifest, mediaTypes.dockerList, ...manifestAccept].join(', '),
  anything: '*/*',
};
const size = sharedLayer.size;
const ranges = ['bytes=0-9', 'bytes=100-', 'bytes=-7', `bytes=${size - 1}-${size + 50}`, `bytes=${size}-`];
const config = other.config?.digest ?? absentDigest;

const coldBlob = {
  method: 'GET',
  repository: names.app,
  path: `blobs/${sharedLayer.digest}`,
  about: 'present',
} as const;

const manifests = [
  both(names.app, 'manifests/1', accepts.containerd),
  both(names.app, 'manifests/1', accepts.anything),
  both(names.app, `manifests/${app.digest}`, accepts.docker),
  both(names.app, `manifests/${app.images[0]?.digest}`, accepts.containerd),
  both(names.other, 'manifests/1', accepts.docker),
  both(names.other, `manifests/${other.digest}`, accepts.anything),
];
const blobs = [
  both(names.other, `blobs/${config}`),
  both(names.app, `blobs/${sharedLayer.digest}`),
  both(names.other, `blobs/${sharedLayer.digest}`),
];
const lists = [
  get(names.app, 'tags/list'),
  get(names.app, 'tags/list?n=1000'),
  get(names.app, `referrers/${app.digest}`),
  get(names.app, `referrers/${app.digest}?artifactType=application/spdx%2Bjson`),
  get(names.app, `referrers/${other.digest}`),
];
const missing = [
  both(names.app, 'manifests/none', accepts.containerd),
  both(names.app, 'manifests/.none', accepts.containerd),
  both(names.app, `manifests/${absentDigest}`, accepts.containerd),
  both(names.app, `blobs/${absentDigest}`),
  both(names.unknown, 'manifests/1', accepts.containerd),
  get(names.unknown, 'tags/list'),
];
const forbidden = [
  both(names.secret, 'manifests/1', accepts.containerd),
  both(names.secret, `blobs/${secret.layers[0]?.digest}`),
  get(names.secret, 'tags/list'),
];

/** Ranges come first: the blob is then cold. */
export const questions: readonly Question[] = [
  ...ranges.map((range): Question => ({ ...coldBlob, headers: { range } })),
  ...[...manifests, ...blobs, ...lists].flat(),
  ...missing.flat().map((question): Question => ({ ...question, about: 'missing' })),
  ...forbidden.flat().map((question): Question => ({ ...question, about: 'forbidden' })),
];

function both(repository: string, path: string, accept?: string): readonly Question[] {
  const headers: Record<string, string> = accept === undefined ? {} : { accept };
  return (['HEAD', 'GET'] as const).map((method) => ({
    method,
    repository,
    path,
    headers,
    about: 'present',
  }));
}

function get(repository: string, path: string): readonly Question[] {
  return both(repository, path).filter(({ method }) => method === 'GET');
}
