// What could not be translated, or not as it stands: told to the user, never a reason to stop serving.

import type { ObjectKey } from '../resources/object.ts';

/** One thing to tell about one object. Equal input gives equal notices, so they can be compared between two pushes. */
export interface Notice {
  readonly object: ObjectKey;
  /** Path of the field, `http[0].route[0].destination.host`. */
  readonly field?: string;
  readonly message: string;
}
