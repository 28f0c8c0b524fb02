// What to say of an image that nothing here can run.

import { imageNames } from '../images/registry.ts';

/** Names the image, what is known, and how to map it. */
export function unknownImage(image: string): string {
  if (image === '') return 'the container has no image';
  const name = image.replace(/@[^@]*$/, '').replace(/:[^:/]*$/, '');
  return (
    `nothing here runs the image "${image}": it is none of the built-in samples (${imageNames().join(', ')}), no command is mapped to it, ` +
    `and no Docker engine answers. Map it to a program of yours: limen up --image '${name}=node server.js', or in limen.yaml`
  );
}
