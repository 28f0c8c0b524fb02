// The one node of this cluster: the machine itself.

/** The name that the Node object, the scheduler and the node's Events bear. */
export const NODE_NAME = 'limen';
