import type { Call } from '@stoa/kernel'
import type { Answered, Once, StoaEvent } from '@stoa/messaging'

import type { Counts } from './member.ts'
import type { Post } from './post.ts'
import type { Reply } from './reply.ts'

/** Which part of a list: at most `limit` items behind the key `after`, from the start when there is none. */
export type Page = { readonly limit: number; readonly after: string | undefined }

export type PostStore = {
  /** Writes the post, its row in the author's own timeline, the count and the events, once for a key. @throws KeyReusedError */
  create(
    entry: { readonly once: Once; readonly post: Post; readonly events: readonly StoaEvent[] },
    call: Call,
  ): Promise<Answered<Post>>
  /** Through the cache. */
  get(id: string, call: Call): Promise<Post | undefined>
  /** Lets the cache forget what is older than these events: no post, or one of an earlier version. */
  heard(
    news: readonly { readonly id: string; readonly version: number }[],
    call: Call,
  ): Promise<void>
  /** A member's posts, newest first; nothing when there is no such member. */
  listOf(author: string, page: Page, call: Call): Promise<readonly Post[] | undefined>
}

export type ReplyStore = {
  /** Writes the reply and the events, once for a key; `key` lies in the lane of the reply. One round trip. @throws KeyReusedError */
  create(
    entry: {
      readonly once: Once
      readonly key: string
      readonly reply: Reply
      readonly events: readonly StoaEvent[]
    },
    call: Call,
  ): Promise<Answered<Reply>>
  get(post: string, id: string, call: Call): Promise<Reply | undefined>
  /**
   * Replies to a post, oldest first, wherever they lie; `after` is a time key. One round trip for each shard that has
   * lanes of the author, at most five at a time.
   */
  list(post: string, page: Page, call: Call): Promise<readonly Reply[]>
}

export type ProfileStore = {
  /** Makes those that are not there yet. Safe to repeat. */
  add(members: readonly string[], call: Call): Promise<void>
  /** Which of `members` there are. One round trip for each shard touched. */
  known(members: readonly string[], call: Call): Promise<ReadonlySet<string>>
  counts(member: string, call: Call): Promise<Counts | undefined>
  /** Sets the counts to the rows that they count; answers whether that changed any. One round trip. Safe to repeat. */
  recount(member: string, call: Call): Promise<boolean>
}

export type Pair = { readonly follower: string; readonly followee: string }

/** A wish for an edge: `id` is its own when it is new, `event` the id of what is said when something changes. */
export type EdgeWish = Pair & { readonly id: string; readonly event: string }

export type EdgeChange = {
  readonly active: boolean
  readonly at: number
  /** Each pair once. */
  readonly wishes: readonly EdgeWish[]
}

/** What one event says of an edge. */
export type EdgeNews = Pair & {
  readonly version: number
  readonly active: boolean
  readonly at: number
}

export type GraphStore = {
  /**
   * Brings edges into the wished state, each with its count and its event, where that is not their state already.
   * One round trip for each shard of a follower.
   *
   * @returns the ids of the events that happened: of the edges that changed.
   */
  change(change: EdgeChange, call: Call): Promise<ReadonlySet<string>>
  /**
   * Brings the twins of edges up to what is new, with their followees' counts; what is old changes nothing. One round
   * trip for each shard of a followee.
   *
   * @returns the newest posts, at most `postsMax` of each, of whoever is followed now by what is new.
   */
  mirror(
    news: { readonly edges: readonly EdgeNews[]; readonly postsMax: number },
    call: Call,
  ): Promise<readonly Post[]>
  /** Ids of whom a member follows, ascending; nothing when there is no such member. */
  following(member: string, page: Page, call: Call): Promise<readonly string[] | undefined>
  /** Ids of who follows a member, ascending; nothing when there is no such member. */
  followers(member: string, page: Page, call: Call): Promise<readonly string[] | undefined>
  /** A page of followers for each query, ascending. One round trip for each shard touched. */
  readers(
    queries: readonly { readonly author: string; readonly page: Page }[],
    call: Call,
  ): Promise<readonly (readonly string[])[]>
}

/** A post, and the members in whose timelines it belongs. */
export type Delivery = { readonly post: Post; readonly readers: readonly string[] }

export type TimelineStore = {
  /** Puts posts into timelines, each once however often it comes. One round trip for each shard touched and 500 rows. */
  add(deliveries: readonly Delivery[], call: Call): Promise<void>
  /** Says `next` once for `event`, however often that comes. One round trip for each shard touched. */
  goOn(
    steps: readonly { readonly event: StoaEvent; readonly next: StoaEvent }[],
    call: Call,
  ): Promise<void>
  /** The posts of those whom `owner` follows now, and the owner's own, newest first; `after` is a time key. */
  home(owner: string, page: Page, call: Call): Promise<readonly Post[]>
}
