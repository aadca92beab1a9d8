import type { Statement } from '@stoa/kernel'

/** A member's posts and edges lie with the profile that counts them. */
const counted = `(SELECT (SELECT count(*) FROM post AS p WHERE p.author = profile.member) AS posts,
  (SELECT count(*) FROM follower AS f WHERE f.followee = profile.member AND f.active = 1) AS followers,
  (SELECT count(*) FROM follow AS f WHERE f.follower = profile.member AND f.active = 1) AS following)`

/**
 * Sets the counts of a profile to the rows that they count at this very moment: a batch is alone in its database, so
 * nothing can come between, and a repeat changes nothing.
 */
export function recountStatement(member: string): Statement {
  return {
    sql: `UPDATE profile SET (posts, followers, following) = ${counted}, version = version + 1
WHERE member = ? AND (posts, followers, following) <> ${counted}`,
    args: [member],
  }
}
