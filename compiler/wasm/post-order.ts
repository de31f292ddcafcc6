/** Every node that is reached from the roots, operands before those that use them; graphs may be of any depth. */
export function postOrder<T>(roots: readonly T[], operandsOf: (node: T) => readonly T[]): T[] {
  const order: T[] = [];
  const seen = new Set<T>();
  const path: { node: T; next: number }[] = [];
  const enter = (node: T): void => {
    if (seen.has(node)) return;
    seen.add(node);
    path.push({ node, next: 0 });
  };
  for (const root of roots) {
    enter(root);
    for (let top = path.at(-1); top !== undefined; top = path.at(-1)) {
      const operand = operandsOf(top.node)[top.next++];
      if (operand !== undefined) enter(operand);
      else {
        order.push(top.node);
        path.pop();
      }
    }
  }
  return order;
}
