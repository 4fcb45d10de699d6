#include "cache/run_cache.h"

#include "cache/registry.h"
#include "page/page_layer.h"

namespace ashlar::cache {

using page::g_pages;
using page::PageLayer;

namespace {

void remove_run(RunCache& runs, unsigned at) {
  runs.pages -= runs.run[at].count;
  --runs.length;
  for (unsigned i = at; i < runs.length; ++i)
    runs.run[i] = runs.run[i + 1];
}

void evict_oldest(RunCache& runs) {
  SlowPath section;
  const CachedRun oldest = runs.run[0];
  remove_run(runs, 0);
  PageLayer::unmark_cached(oldest.page, oldest.count);
  g_pages.release_large(oldest.page);
}

}  // namespace

PageIndex take_run(PageCount count) {
  RunCache& runs = t_cache.runs;
  for (unsigned i = runs.length; i-- > 0;) {  // the newest is the warmest
    if (runs.run[i].count != count) continue;
    const PageIndex page = runs.run[i].page;
    remove_run(runs, i);
    PageLayer::unmark_cached(page, count);
    return page;
  }
  return kNoPage;
}

bool keep_run(PageIndex page, PageCount count) {
  if (count > kLargestCachedRun || t_cache.state != CacheState::kListed) return false;
  RunCache& runs = t_cache.runs;
  while (runs.length == kCachedRuns || runs.pages + count > kCachedRunPages)
    evict_oldest(runs);
  if (!PageLayer::mark_cached(page, count)) return false;  // freed twice at once: the page layer tells
  runs.run[runs.length++] = CachedRun{page, count};
  runs.pages += count;
  return true;
}

void flush_runs() {
  while (t_cache.runs.length > 0)
    evict_oldest(t_cache.runs);
}

}  // namespace ashlar::cache
