/** Objects of an OpenShift cluster as text, written shortly: `quay.io/app <- m1.corp/app m2.corp/app never`. */

/** Texts of objects of each kind; each text is one object with one list. */
export interface ShortObjects {
  /** ImageDigestMirrorSet. */
  readonly digest?: readonly string[];
  /** ImageContentSourcePolicy. */
  readonly old?: readonly string[];
  /** ImageTagMirrorSet. */
  readonly tag?: readonly string[];
  readonly insecure?: readonly string[];
  readonly blocked?: readonly string[];
  readonly allowed?: readonly string[];
  readonly search?: readonly string[];
}

/** The manifests, in the order of the kinds above. `nameOf` names the object at an index. */
export function manifestsOf(
  { digest = [], old = [], tag = [], ...sources }: ShortObjects,
  nameOf: (index: number) => string = (index) => `o${index}`,
): readonly object[] {
  const sets = [
    ...digest.map((text) => ({
      ...newer('ImageDigestMirrorSet'),
      spec: { imageDigestMirrors: [listOf(text)] },
    })),
    ...old.map((text) => ({
      apiVersion: 'operator.openshift.io/v1alpha1',
      kind: 'ImageContentSourcePolicy',
      spec: { repositoryDigestMirrors: [listOf(text)] },
    })),
    ...tag.map((text) => ({ ...newer('ImageTagMirrorSet'), spec: { imageTagMirrors: [listOf(text)] } })),
  ].map((set, index) => ({ ...set, metadata: { name: nameOf(index) } }));
  const { insecure, blocked, allowed, search } = sources;
  if (!insecure && !blocked && !allowed && !search) return sets;
  const registrySources = {
    insecureRegistries: insecure ?? null,
    blockedRegistries: blocked ?? null,
    allowedRegistries: allowed ?? null,
    containerRuntimeSearchRegistries: search ?? null,
  };
  return [...sets, { ...newer('Image'), metadata: { name: 'cluster' }, spec: { registrySources } }];
}

/** One document for each. */
export function asYaml(manifests: readonly object[]): string {
  return manifests.map((manifest) => `---\n${JSON.stringify(manifest, undefined, 2)}\n`).join('');
}

function newer(kind: string) {
  return { apiVersion: 'config.openshift.io/v1', kind };
}

function listOf(text: string): object {
  const [source = '', rest = ''] = text.split(' <-');
  const words = rest.split(' ').filter((word) => word !== '');
  const policies = { never: 'NeverContactSource', allow: 'AllowContactingSource' };
  const policy = Object.entries(policies).find(([word]) => words.at(-1) === word)?.[1];
  return {
    source,
    mirrors: policy === undefined ? words : words.slice(0, -1),
    ...(policy !== undefined && { mirrorSourcePolicy: policy }),
  };
}
