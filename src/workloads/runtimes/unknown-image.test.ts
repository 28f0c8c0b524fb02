import { describe, expect, it } from 'vitest';
import { unknownImage } from './unknown-image.ts';

describe('an image that nothing can run', () => {
  it.each([
    ['istioinaction/webap:latest', 'istioinaction/webapp'],
    ['docker.io/kennethreitz/httpbni', 'kennethreitz/httpbin'],
  ])('%s: the sample that was meant is named', (image, meant) => {
    expect(unknownImage(image)).toContain(
      `"${image}": it is none of the built-in samples (did you mean ${meant}?), no`,
    );
  });

  it.each(['example/shop:1', 'istio/examples-bookinfo-mysqldb:1.20'])('%s: all samples are named', (image) => {
    expect(unknownImage(image)).toMatch(
      /built-in samples \(cjimti\/go-echo, .*istioinaction\/catalog, .*\), no command/,
    );
  });

  it('is to be mapped by its name without tag and digest', () => {
    for (const image of ['example.com:5000/shop:1', 'example.com:5000/shop@sha256:0', 'example.com:5000/shop'])
      expect(unknownImage(image)).toContain("limen up --image 'example.com:5000/shop=node server.js'");
    expect(unknownImage('')).toBe('the container has no image');
  });
});
