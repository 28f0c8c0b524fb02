// What to say of an image that nothing here can run.

import { editDistance, nearest } from '../../resources/nearest.ts';
import { imageNames, repositoryOf } from '../images/registry.ts';

/** More letters than these are another name, not a slip: bookinfo has an image for each of its services. */
const SLIPS = 2;

/** Names the image, what it may be meant to be or else all that is known, and how to map it. */
export function unknownImage(image: string): string {
  if (image === '') return 'the container has no image';
  const name = image.replace(/@[^@]*$/, '').replace(/:[^:/]*$/, '');
  const samples = imageNames();
  const repository = repositoryOf(image);
  const near = nearest(repository, samples);
  const meant = near !== undefined && editDistance(repository, near) <= SLIPS ? `did you mean ${near}?` : undefined;
  return (
    `nothing here runs the image "${image}": it is none of the built-in samples (${meant ?? samples.join(', ')}), no command is mapped to it, ` +
    `and no Docker engine answers. Map it to a program of yours: limen up --image '${name}=node server.js', or in limen.yaml`
  );
}
