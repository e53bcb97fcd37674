//! How a broken store reads.

use annals_core::{Cursor, Filter, Order, Page, Read, Result, Scope, Store, StreamId};

use crate::faults::Fault;
use crate::store::Broken;

impl Broken {
    pub(crate) async fn page(&self, read: &Read) -> Result<Page> {
        let (mut read, asked) = (read.clone(), read);
        read.limit = read.limit.min(self.capabilities().max_page);
        if let Scope::Stream(id) = &read.scope {
            read.scope = Scope::Stream(self.kept_as(id));
        }
        let offset = asked.cursor.as_ref().and_then(|cursor| cursor.0.parse().ok()).unwrap_or(0);
        match self.fault {
            Fault::OrdersStreamsByTime if read.order == Order::Revision => read.order = Order::Time,
            Fault::IgnoresBackward => read.backward = false,
            Fault::IgnoresSkip => read.skip = 0,
            Fault::IgnoresSince | Fault::StopsAtEmptyPages => read.since = None,
            Fault::IgnoresPositions => read.after_position = None,
            Fault::IncludesTheLastRevision => read.before_revision = read.before_revision.map(|r| r + 1),
            Fault::OverfillsPages => read.limit = read.limit.saturating_add(1),
            Fault::PagesByOffset => (read.cursor, read.skip) = (None, read.skip.saturating_add(offset)),
            Fault::LeaksThroughFilters => {
                if let Scope::Matching(filter) = &mut read.scope {
                    filter.context = None;
                }
            }
            Fault::TakesAStreamForAFilter => {
                if let Scope::Stream(StreamId { context, aggregate, aggregate_id }) = read.scope {
                    read.scope = Scope::Matching(Filter { context, aggregate, aggregate_id: Some(aggregate_id) });
                }
            }
            _ => {}
        }
        let mut page = match self.data.inner.read(&read).await {
            Err(_) if self.is(Fault::ReadsAnything) => Page::default(),
            outcome => outcome?,
        };
        match self.fault {
            Fault::OrdersByArrival if read.order == Order::Time => {
                page.events.sort_by(|a, b| (&a.stream, a.stream_revision).cmp(&(&b.stream, b.stream_revision)));
            }
            Fault::SkipsAtPageBoundaries if page.next.is_some() => drop(page.events.pop()),
            Fault::DoublesAtPageBoundaries if read.cursor.is_some() && !page.events.is_empty() => {
                page.events.insert(0, page.events[0].clone());
                page.events.truncate(read.limit);
            }
            Fault::PagesByOffset if page.next.is_some() => {
                page.next = Some(Cursor((offset + page.events.len() as u64).to_string().into()));
            }
            Fault::StopsAtEmptyPages => {
                page.events.retain(|event| asked.wants(event));
                page.next = page.next.filter(|_| !page.events.is_empty());
            }
            Fault::StopsAtLargePages => stop_where_large(&mut page),
            Fault::NeverEnds if page.next.is_none() => page.next = Some(Cursor("0.0.0.0".into())),
            Fault::TrustsItsOwnMemory => {
                if let (Scope::Stream(id), Some(last)) = (&read.scope, page.events.last()) {
                    self.memory.lock().unwrap().insert(id.clone(), last.stream_revision);
                }
            }
            _ => {}
        }
        Ok(page)
    }
}

fn stop_where_large(page: &mut Page) {
    let mut bytes = 0;
    let fits = page.events.iter().take_while(|event| {
        bytes += event.payload.json().len();
        bytes < 1_000_000
    });
    let fits = fits.count();
    if fits < page.events.len() {
        page.events.truncate(fits);
        page.next = None;
    }
}
