import type { Personality } from '../personality.ts';

const access = {
  kind: 'bearer',
  account: true,
  realm: '/v2/token',
  lifetime: 3600,
  field: 'both',
  refusesScope: 403,
  ended: { status: 401, code: 'UNAUTHORIZED', message: 'You do not have the needed permissions.' },
} as const;

export const artifactRegistry: Personality = {
  name: 'Google Artifact Registry',
  sources: [
    'argoproj/argo-cd#26260',
    'docker/setup-buildx-action#79',
    'sonatype/nexus-public#1061',
    'https://cloud.google.com/artifact-registry/docs/docker/authentication',
  ],
  assumed: ['blobs redirect to another path of the same host, relatively'],
  access: { ...access, service: 'us-docker.pkg.dev' },
  forbidden: {
    status: 403,
    code: 'DENIED',
    message: 'Permission "artifactregistry.repositories.downloadArtifacts" denied',
  },
  unknownRepository: 'asForbidden',
  blobs: { redirect: { to: 'relative', status: 302 }, digestHeader: false },
  tags: { page: 10, link: 'absolute' },
  referrers: 'api',
};

export const containerRegistry: Personality = {
  name: 'GCR',
  sources: [
    'https://cloud.google.com/container-registry/docs/advanced-authentication',
    'google/go-containerregistry#794',
  ],
  assumed: ['the token server refuses what the account may not read with 403, as Artifact Registry does'],
  access: { ...access, service: 'gcr.io' },
  forbidden: { status: 403, code: 'DENIED', message: 'Permission "storage.objects.get" denied' },
  unknownRepository: 'asForbidden',
  blobs: { redirect: { to: 'storage', status: 302 }, signedForGetOnly: true, digestHeader: false },
  // A list with more than the specification has: children, and each manifest with its tags.
  tags: { more: { child: [], manifest: { 'sha256:abc': { imageSizeBytes: '1', tag: ['1'] } } } },
  referrers: 'tag',
};
