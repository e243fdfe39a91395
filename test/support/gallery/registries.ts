/** The registries of the gallery, in the groups in which they are tested and listed. */
import type { Personality } from './personality.ts';
import { artifactory } from './registries/artifactory.ts';
import { distribution2, distribution3 } from './registries/distribution.ts';
import { dockerHub } from './registries/docker-hub.ts';
import { dragonfly } from './registries/dragonfly.ts';
import { ecrPrivate } from './registries/ecr-private.ts';
import { ecrPublic } from './registries/ecr-public.ts';
import { headlessFirewall } from './registries/edge-cache.ts';
import { ghcr } from './registries/ghcr.ts';
import { gitea } from './registries/gitea.ts';
import { gitlab } from './registries/gitlab.ts';
import { artifactRegistry, containerRegistry } from './registries/google.ts';
import { harbor, harborProxy } from './registries/harbor.ts';
import { acr, mcr } from './registries/microsoft.ts';
import { nvcr } from './registries/nvcr.ts';
import { quay } from './registries/quay.ts';
import { registryK8sIo } from './registries/registry-k8s-io.ts';
import { nexus, nexusBehindProxy } from './registries/sonatype-nexus.ts';
import { vanityHost } from './registries/vanity-host.ts';
import { zot } from './registries/zot.ts';

export interface Group {
  /** Names its section of docs/registries.md. */
  readonly title: string;
  readonly members: readonly Personality[];
}

export const publicRegistries: Group = {
  title: 'Public registries',
  members: [dockerHub, quay, ghcr, gitlab, nvcr, registryK8sIo, vanityHost],
};
export const clouds: Group = {
  title: 'Registries of clouds',
  members: [ecrPrivate, ecrPublic, artifactRegistry, containerRegistry, acr, mcr],
};
export const ownRegistries: Group = {
  title: 'Registries of your own',
  members: [harbor, gitea, distribution2, distribution3],
};
export const caches: Group = {
  title: 'Caches and what is in between',
  members: [harborProxy, nexus, nexusBehindProxy, artifactory, zot, dragonfly, headlessFirewall],
};
export const groups: readonly Group[] = [publicRegistries, clouds, ownRegistries, caches];
