// The built-in sample images by name, and how the name of a container's image leads to one.

import { details } from './bookinfo-details.ts';
import { productpage } from './bookinfo-productpage.ts';
import { ratings } from './bookinfo-ratings.ts';
import { reviews } from './bookinfo-reviews.ts';
import { catalog } from './catalog.ts';
import { echo } from './echo.ts';
import { fakeService } from './fake-service.ts';
import { httpbin } from './httpbin.ts';
import type { SampleImage } from './image.ts';
import { tcpEcho } from './tcp-echo.ts';
import { testServer } from './test-server.ts';
import { webapp } from './webapp.ts';

const IMAGES: readonly SampleImage[] = [
  catalog,
  webapp,
  httpbin,
  tcpEcho,
  testServer,
  echo,
  fakeService,
  productpage,
  details,
  reviews,
  ratings,
];

const BY_NAME = new Map(IMAGES.flatMap((image) => image.names.map((name) => [name, image] as const)));

/** The names a Deployment may use, sorted. */
export function imageNames(): string[] {
  return [...BY_NAME.keys()].sort();
}

/**
 * The repository of an image reference, without registry, tag and digest:
 * `docker.io/istioinaction/catalog:latest` → `istioinaction/catalog`.
 */
export function repositoryOf(reference: string): string {
  const untagged = reference.replace(/@[^@]*$/, '').replace(/:[^:/]*$/, '');
  const slash = untagged.indexOf('/');
  const first = untagged.slice(0, slash);
  // The first component is a registry when it looks like a host: https://pkg.go.dev/github.com/distribution/reference
  const isRegistry = slash !== -1 && (/[.:]/.test(first) || first === 'localhost');
  const path = isRegistry ? untagged.slice(slash + 1) : untagged;
  return path.startsWith('library/') ? path.slice('library/'.length) : path;
}

/** Istio's own registry has under `release` what Docker Hub has under `istio`. */
const ISTIO_REGISTRY = 'registry.istio.io/';

/** The sample image that an image reference names: its last two path components count, whatever the registry, mirror or tag. */
export function findImage(reference: string): SampleImage | undefined {
  const [organization = '', name = ''] = repositoryOf(reference).split('/').slice(-2);
  return BY_NAME.get(`${reference.startsWith(ISTIO_REGISTRY) ? 'istio' : organization}/${name}`);
}

/** A path worth trying with curl on a container of this image; undefined for an unknown image and one that does not speak HTTP. */
export function samplePath(reference: string): string | undefined {
  return findImage(reference)?.samplePath;
}
