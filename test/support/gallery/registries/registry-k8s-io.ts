import type { Personality } from '../personality.ts';

export const registryK8sIo: Personality = {
  name: 'registry.k8s.io',
  sources: [
    'https://github.com/kubernetes/registry.k8s.io/blob/main/cmd/archeio/docs/request-handling.md',
    'https://github.com/kubernetes/registry.k8s.io/blob/main/cmd/archeio/internal/app/handlers.go',
    'https://cloud.google.com/artifact-registry/docs/docker/authentication',
  ],
  assumed: ['the registry behind it asks for an anonymous token; today it gives public images without one'],
  access: {
    kind: 'bearer',
    account: false,
    realm: '/token',
    service: 'registry.k8s.io',
    lifetime: 3600,
    asked: 'ping',
    ended: { status: 401, code: 'UNAUTHORIZED' },
  },
  vanity: { status: 307 },
  unknownRepository: { status: 404, code: 'NAME_UNKNOWN' },
  blobs: { redirect: { to: 'storage', status: 307 }, digestHeader: false },
  tags: { more: { child: [], manifest: {} } },
  referrers: 'api',
};
