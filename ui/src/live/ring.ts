/** A queue of bounded size: the oldest item goes when there is no room. */
export class Ring<T> {
  private items: T[] = [];
  private start = 0;

  constructor(private readonly capacity: number) {}

  push(item: T): void {
    if (this.items.length < this.capacity) {
      this.items.push(item);
      return;
    }
    this.items[this.start] = item;
    this.start = (this.start + 1) % this.capacity;
  }

  /** Takes everything out, oldest first. */
  drain(): T[] {
    const out = [...this.items.slice(this.start), ...this.items.slice(0, this.start)];
    this.items = [];
    this.start = 0;
    return out;
  }
}
